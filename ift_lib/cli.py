"""One command, `ift`:

ift run                              fine-tune the pocket model on the embedded data: runs/1/report.html
ift run --data mine.json --model gpt2
ift run --lora 8                     train low-rank adapters only
ift run --resume runs/1              go on after an interruption
ift chat runs/1                      talk to the result
ift review runs/1                    grade its answers by hand
ift judge runs/1                     have a language model grade them
ift compare runs/1 runs/2            two runs on the same questions
ift evaluate mmlu runs/1             a benchmark, before and after fine-tuning
ift warm-up                          the evening before a class: check and fetch everything
ift score runs/1                     the capstone: does it beat the baseline on the held-out set?
ift doctor                           what to paste into a bug report
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stderr
from pathlib import Path
from typing import Any

from ift_lib.course.chat import chat
from ift_lib.course.compare_command import add_compare
from ift_lib.course.doctor import report
from ift_lib.course.evaluate_command import add_evaluate
from ift_lib.course.judge_command import add_judge
from ift_lib.course.progress import ProgressBar
from ift_lib.course.review_command import add_review
from ift_lib.course.score_command import add_score
from ift_lib.course.warm_up_command import add_warm_up
from ift_lib.distributed import joined
from ift_lib.errors import InputError
from ift_lib.generation import Sampling
from ift_lib.hardware import choose_device, keep_freed_memory
from ift_lib.history import History
from ift_lib.lora import LoRAConfig
from ift_lib.model import LAYOUTS, SIZES
from ift_lib.run import resume, start
from ift_lib.run_config import RunConfig, default_lr
from ift_lib.templates import TEMPLATES
from ift_lib.training import TrainConfig

FIRST = os.environ.get("RANK", "0") == "0"
"""Whether this is the first of the processes that torchrun started, or the only one: the one that speaks."""

TRAIN_OPTIONS = ("epochs", "batch_size", "micro_batch_size", "lr", "seed", "evals_per_epoch")
HOW_OPTIONS = ("device", "precision", "compile", "checkpoint_activations", "layout", "shard")
"""How the machine is used: a run may be resumed with others, and with another --micro-batch-size."""
WHAT_OPTIONS = ("data", "model", "template", "skip_problems", "max_new_tokens", "max_validation", "max_test")
RUN_OPTIONS = (*WHAT_OPTIONS, "tensorboard", *HOW_OPTIONS)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, do, and turn what the user can mend into one message and exit code 2 (130 for Ctrl-C)."""
    with nullcontext() if FIRST else redirect_stderr(io.StringIO()):  # of N processes, one prints the usage
        args = make_parser().parse_args(argv)
    try:
        args.do(args)
    except KeyboardInterrupt:
        print("\nstopped; a run goes on with: ift run --resume RUN; any other command as it was given", file=sys.stderr)
        return 130
    except (InputError, OSError) as e:
        if os.environ.get("IFT_TRACEBACK"):
            raise
        # All processes have the same InputError; what befell one of them alone, that one tells.
        if FIRST or not isinstance(e, InputError):
            print(f"ift: error: {e}", file=sys.stderr)
        return 2
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(
        prog="ift",
        description="Teach GPT-2 to follow instructions, and see how good it became.",
        epilog="Every command explains itself: ift run --help",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add_chat(commands)
    add_review(commands)
    add_judge(commands)
    add_compare(commands)
    add_evaluate(commands, choose_device)
    add_warm_up(commands)
    add_score(commands, choose_device)
    doctor = commands.add_parser("doctor", help="print a report about this machine and installation, for a bug form")
    doctor.set_defaults(do=_doctor)
    return parser


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "run",
        help="fine-tune, answer the test instructions, score, write a report",
        description="Fine-tune a GPT-2 on instructions; leave a folder with report, weights and every number.",
        argument_default=argparse.SUPPRESS,
    )
    what = run.add_argument_group("what")
    what.add_argument(
        "--data",
        help="JSON or JSONL: Alpaca, Dolly or chat messages; or of the library `datasets`, hf:owner/name[:split] or a "
        "folder (default: our own)",
    )
    what.add_argument("--model", help=f"{', '.join(SIZES)}, or a folder (default: pocket)")
    what.add_argument("--template", choices=list(TEMPLATES), help="text format of the prompts (default: alpaca)")
    what.add_argument("--no-mask-prompt", action="store_true", help="grade the prompt's tokens too")
    what.add_argument("--skip-problems", action="store_true", help="leave out entries that cannot be used")
    what.add_argument(
        "--max-validation",
        type=int,
        metavar="N",
        help=f"most examples for validation, else {RunConfig.validation:.0%}% (default: {RunConfig.max_validation:,})",
    )
    what.add_argument(
        "--max-test",
        type=int,
        metavar="N",
        help=f"most examples for the test, else {RunConfig.test:.0%}% (default: {RunConfig.max_test:,})",
    )
    how = run.add_argument_group("how")
    how.add_argument("--epochs", type=int, help=f"most passes over the examples (default: {TrainConfig.epochs})")
    how.add_argument("--batch-size", type=int, help=f"examples in one step (default: {TrainConfig.batch_size})")
    how.add_argument(
        "--micro-batch-size", type=int, help="examples in memory at a time: the same result in less memory"
    )
    how.add_argument(
        "--evals-per-epoch",
        type=int,
        metavar="N",
        help=f"evaluations in each epoch; a run resumes from the last (default: {TrainConfig.evals_per_epoch})",
    )
    how.add_argument(
        "--lr", type=float, help="highest learning rate (default: by model, 5e-5 for OpenAI's; LoRA: x 10)"
    )
    how.add_argument(
        "--lora", type=int, metavar="RANK", help="train low-rank adapters instead of all weights; 8 is usual"
    )
    how.add_argument("--lora-alpha", type=float, metavar="ALPHA", help="they count alpha / rank (default: 2 * rank)")
    how.add_argument(
        "--lora-targets", nargs="+", metavar="LAYER", help=f"which layers (default: {' '.join(LoRAConfig.targets)})"
    )
    how.add_argument("--seed", type=int, help=f"decides split and order (default: {TrainConfig.seed})")
    how.add_argument("--device", help="cpu, cuda, mps, or auto for the best there is (default: auto)")
    how.add_argument("--precision", choices=["auto", "fp32", "bf16"], help="auto is bf16 on a GPU that computes in it")
    how.add_argument("--compile", action="store_true", help="train with torch.compile: a slow start, faster steps")
    how.add_argument(
        "--checkpoint-activations", action="store_true", help="compute each block twice: less memory, same result"
    )
    how.add_argument(
        "--layout",
        choices=LAYOUTS,
        help="what training computes on a CPU: beginnings that rows share once (default), rows without padding, or "
        "rows as they are padded, the plain and slow way",
    )
    how.add_argument(
        "--shard",
        action=argparse.BooleanOptionalAction,
        help="with torchrun: share the parameters out over the processes, for a model that does not fit one",
    )
    how.add_argument("--max-new-tokens", type=int, help=f"longest answer (default: {RunConfig.max_new_tokens})")
    how.add_argument("--tensorboard", action="store_true", help="write the curves to RUN/tensorboard too")
    where = run.add_argument_group("where").add_mutually_exclusive_group()
    where.add_argument("--out", metavar="RUN", default=None, help="new folder for the results (default: next runs/N)")
    where.add_argument("--resume", metavar="RUN", default=None, help="continue an interrupted run, with its settings")
    run.set_defaults(do=_run)


def _run(args: argparse.Namespace) -> None:
    given = {name: value for name, value in vars(args).items() if name not in ("resume", "out", "do")}
    if args.resume and (also := given.keys() - {*HOW_OPTIONS, "micro_batch_size"}):
        options = ", ".join("--" + name.replace("_", "-") for name in sorted(also))
        raise InputError(f"--resume {args.resume}: goes on with the run's own settings; leave out {options}")
    keep_freed_memory()
    with joined(), ProgressBar() as bar:
        if args.resume:
            folder = resume(args.resume, changes=given, on_step=bar)
        else:
            folder = start(_config(args), args.out, on_step=bar)
    if FIRST:
        _summary(folder)


def _summary(folder: Path) -> None:
    history = History.load(folder / "history.json")
    start_loss, best = history.validation[0].loss, history.best()
    print(f"validation loss {start_loss:.3f} -> {best.loss:.3f}, best at epoch {best.epoch:g}")
    print(f"the report: {folder / 'report.html'}\ntalk to it: ift chat {folder}")


def _config(args: argparse.Namespace) -> RunConfig:
    """What was asked for; options not given keep the defaults of the library."""
    given = vars(args)
    model = given.get("model", RunConfig.model)
    lora = _lora(given)
    training: dict[str, Any] = {"lr": default_lr(model, lora is not None), "mask_prompt": "no_mask_prompt" not in given}
    training |= {name: given[name] for name in TRAIN_OPTIONS if name in given}
    run = {name: given[name] for name in RUN_OPTIONS if name in given}
    return RunConfig(**run, lora=lora, train=TrainConfig(**training))


def _lora(given: dict[str, Any]) -> LoRAConfig | None:
    """The adapters that were asked for, if any."""
    more = {name: given[f"lora_{name}"] for name in ("alpha", "targets") if f"lora_{name}" in given}
    if "lora" in given:
        return LoRAConfig(given["lora"], **more | {"targets": tuple(more.get("targets", LoRAConfig.targets))})
    if more:
        raise InputError(f"--lora-{next(iter(more))}: is a setting of adapters; give --lora RANK too")
    return None


def _add_chat(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("chat", help="talk to a fine-tuned model")
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    parser.add_argument(
        "--temperature", type=float, default=0.0, help="0 takes the likeliest token (default); 1 samples"
    )
    parser.add_argument("--top-p", type=float, help="sample among the likeliest tokens that make up this share")
    parser.add_argument("--seed", type=int, default=123, help="for sampling (default: 123)")
    parser.add_argument("--max-new-tokens", type=int, default=128, help="longest answer, in tokens (default: 128)")
    parser.set_defaults(do=_chat)


def _chat(args: argparse.Namespace) -> None:
    chat(Path(args.run), Sampling(args.temperature, top_p=args.top_p), args.seed, args.max_new_tokens)


def _doctor(args: argparse.Namespace) -> None:
    print(report())
