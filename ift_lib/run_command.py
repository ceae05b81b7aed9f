"""`ift run`: the options, and what is said at the end."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ift_lib.course.progress import ProgressBar
from ift_lib.distributed import joined, rank
from ift_lib.errors import InputError
from ift_lib.history import History
from ift_lib.lora import LoRAConfig
from ift_lib.model import LAYOUTS, SIZES
from ift_lib.run import resume, start
from ift_lib.run_config import RunConfig, default_lr
from ift_lib.templates import TEMPLATES
from ift_lib.training import TrainConfig

TRAIN_OPTIONS = ("epochs", "batch_size", "micro_batch_size", "lr", "seed", "evals_per_epoch")
HOW_OPTIONS = ("device", "precision", "compile", "checkpoint_activations", "layout", "shard")
"""How the machine is used: a run may be resumed with others, and with another --micro-batch-size."""
WHAT_OPTIONS = ("data", "model", "template", "skip_problems", "max_new_tokens", "max_validation", "max_test")
RUN_OPTIONS = (*WHAT_OPTIONS, "tensorboard", *HOW_OPTIONS)


def add_options(run: argparse.ArgumentParser) -> None:
    """Those of `ift run`."""
    run.description = "Fine-tune a GPT-2 on instructions; leave a folder with report, weights and every number."
    run.argument_default = argparse.SUPPRESS
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
    with joined():
        with ProgressBar() as bar:
            if args.resume:
                folder = resume(args.resume, changes=given, on_step=bar)
            else:
                folder = start(_config(args), args.out, on_step=bar)
        if rank() == 0:
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
