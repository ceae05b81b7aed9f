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
from importlib import import_module

from ift_lib.errors import InputError

FIRST = os.environ.get("RANK", "0") == "0"
"""Whether this is the first of the processes that torchrun started, or the only one: the one that speaks."""

COMMANDS = {
    "run": ("run_command", "fine-tune, answer the test instructions, score, write a report"),
    "chat": ("course.chat", "talk to a fine-tuned model"),
    "review": ("course.review_command", "grade the test answers of a run by hand"),
    "judge": ("course.judge_command", "ask a language model how good the test answers of a run are"),
    "compare": ("course.compare_command", "compare the test answers of two or more runs"),
    "evaluate": (
        "course.evaluate_command",
        "put benchmarks to a model, or to a run before and after fine-tuning",
    ),
    "warm-up": ("course.warm_up_command", "check everything, and fetch a model, the evening before a class"),
    "score": ("course.score_command", "the capstone: does a run beat the baseline on the held-out set?"),
    "doctor": ("course.doctor", "print a report about this machine and installation, for a bug form"),
}
"""Each command's module, which is imported only if the command is given, and what `ift --help` says of it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, do, and turn what the user can mend into one message and exit code 2 (130 for Ctrl-C)."""
    with nullcontext() if FIRST else redirect_stderr(io.StringIO()):  # of N processes, one prints the usage
        args = make_parser(sys.argv[1:] if argv is None else argv).parse_args(argv)
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


def make_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The commands, with the options of the one that `argv` gives."""
    parser = argparse.ArgumentParser(
        prog="ift",
        description="Teach GPT-2 to follow instructions, and see how good it became.",
        epilog="Every command explains itself: ift run --help",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module, about) in COMMANDS.items():
        command = commands.add_parser(name, help=about)
        if name in argv[:1]:
            import_module(f"ift_lib.{module}").add_options(command)
    return parser
