"""One command, `ift`:

ift run                              fine-tune the pocket model on the embedded data: runs/1/report.html
ift run --data mine.json --model gpt2
ift run --resume runs/1              go on after an interruption
ift chat runs/1                      talk to the result
ift doctor                           what to paste into a bug report
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ift_lib.data import EMBEDDED
from ift_lib.errors import InputError
from ift_lib.model import SIZES
from ift_lib.templates import TEMPLATES


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, do, and turn what the user can mend into one message and exit code 2 (130 for Ctrl-C)."""
    args = make_parser().parse_args(argv)
    try:
        args.do(args)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except (InputError, OSError) as e:
        if os.environ.get("IFT_TRACEBACK"):
            raise
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
    doctor = commands.add_parser("doctor", help="print a report about this machine and installation, for a bug form")
    doctor.set_defaults(do=_doctor)
    return parser


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "run",
        help="fine-tune, answer the test instructions, score, write a report",
        description="Fine-tune a GPT-2 on instructions; leave a folder with report, weights and every number.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    what = run.add_argument_group("what")
    what.add_argument(
        "--data", metavar="FILE", default=str(EMBEDDED), help="JSON or JSONL: Alpaca, Dolly or chat messages"
    )
    what.add_argument("--model", default="pocket", help=f"{', '.join(SIZES)}, or a folder with a Hugging Face GPT-2")
    what.add_argument("--template", choices=list(TEMPLATES), default="alpaca", help="text format of prompts")
    what.add_argument("--no-mask-prompt", action="store_true", default=False, help="grade the prompt's tokens too")
    what.add_argument(
        "--skip-problems", action="store_true", default=False, help="leave out entries that cannot be used"
    )
    how = run.add_argument_group("how")
    how.add_argument("--epochs", type=int, help="most passes over the training examples")
    how.add_argument("--batch-size", type=int, help="examples in one step")
    how.add_argument("--micro-batch-size", type=int, help="examples in memory at a time, for less memory (same result)")
    how.add_argument("--lr", type=float, help="highest learning rate (pocket 5e-4, all others 5e-5)")
    how.add_argument("--seed", type=int, default=123, help="decides split and order")
    how.add_argument("--device", default="auto", help="cpu, cuda, mps, or auto for the best there is")
    how.add_argument("--max-new-tokens", type=int, default=128, help="longest answer, in tokens")
    where = run.add_argument_group("where").add_mutually_exclusive_group()
    where.add_argument("--out", metavar="RUN", default=None, help="new folder for the results (None: the next runs/N)")
    where.add_argument(
        "--resume", metavar="RUN", default=None, help="continue an interrupted run with its own settings"
    )
    run.set_defaults(do=_run)


def _run(args: argparse.Namespace) -> None:
    """`ift run`. Imports stand here so that `ift --help` does not wait for torch's plots and reports."""
    from ift_lib.course.progress import ProgressBar
    from ift_lib.history import History
    from ift_lib.run import RunConfig, default_lr, resume, start
    from ift_lib.training import TrainConfig

    with ProgressBar() as bar:
        if args.resume:
            folder = resume(args.resume, on_step=bar)
        else:
            chosen = {
                k: v for k in ("epochs", "batch_size", "micro_batch_size") if (v := getattr(args, k, None)) is not None
            }
            config = RunConfig(
                data=args.data,
                model=args.model,
                template=args.template,
                device=args.device,
                skip_problems=args.skip_problems,
                max_new_tokens=args.max_new_tokens,
                train=TrainConfig(
                    lr=getattr(args, "lr", default_lr(args.model)),
                    mask_prompt=not args.no_mask_prompt,
                    seed=args.seed,
                    **chosen,
                ),
            )
            folder = start(config, args.out, on_step=bar)
    history = History.load(folder / "history.json")
    start_loss, best = history.validation[0].loss, history.best()
    print(f"validation loss {start_loss:.3f} -> {best.loss:.3f}, best at epoch {best.epoch:g}")
    print(f"the report: {folder / 'report.html'}\ntalk to it: ift chat {folder}")


def _add_chat(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    chat = commands.add_parser(
        "chat", help="talk to a fine-tuned model", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    chat.add_argument("run", metavar="RUN", help="folder of a finished run")
    chat.add_argument("--temperature", type=float, default=0.0, help="0 always takes the likeliest token; 1 samples")
    chat.add_argument(
        "--top-p", type=float, default=None, help="sample from the likeliest tokens that make up this share"
    )
    chat.add_argument("--seed", type=int, default=123, help="for sampling")
    chat.add_argument("--max-new-tokens", type=int, default=128, help="longest answer, in tokens")
    chat.set_defaults(do=_chat)


def _chat(args: argparse.Namespace) -> None:
    from ift_lib.course.chat import chat
    from ift_lib.generation import Sampling

    chat(Path(args.run), Sampling(args.temperature, top_p=args.top_p), args.seed, args.max_new_tokens)


def _doctor(args: argparse.Namespace) -> None:
    from ift_lib.course.doctor import report

    print(report())
