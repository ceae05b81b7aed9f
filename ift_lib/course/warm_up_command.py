"""`ift warm-up`: the evening before a class, do once what could fail in the morning, and say what was done."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import math
import os
from collections.abc import Callable
from pathlib import Path

from ift_lib.batching import in_order
from ift_lib.course.quiz import QUIZZES, load_quiz
from ift_lib.data import EMBEDDED, load_examples
from ift_lib.encoding import encode_example
from ift_lib.errors import InputError
from ift_lib.generation import respond
from ift_lib.hub import RELEASES
from ift_lib.templates import ALPACA
from ift_lib.training import evaluate
from ift_lib.weights import load_pretrained

ASSETS = EMBEDDED.parent
SUMS = ASSETS / "SHA256SUMS"
"""The SHA-256 of every embedded file, as `sha256sum` writes and checks them."""
PACKAGES = ("torch", "numpy", "tiktoken", "safetensors", "matplotlib", "ipywidgets", "jupyterlab", "sklearn")
"""What the chapters import, and what opens them."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of `ift warm-up`."""
    parser.description = (
        "Import every package, check every file of the course, let the pocket model answer. With --model, "
        "download OpenAI's weights too, check their bytes and let that model answer."
    )
    parser.add_argument("--model", choices=list(RELEASES), help="also this model (default: none; needs the network)")
    parser.set_defaults(do=lambda args: warm_up(args.model))


def warm_up(model: str | None = None) -> None:
    """Do each check and print what it found. Raises InputError with all that went wrong, after the last one."""
    checks: dict[str, Callable[[], str]] = {
        "packages": _packages,
        "files": _files,
        "data and quizzes": _data,
        "pocket model": lambda: _model("pocket"),
        "this folder": _folder,
    }
    if model:
        checks[model] = lambda: _model(model)
    wrong = []
    for name, check in checks.items():
        try:
            print(f"ok      {name}: {check()}", flush=True)
        except InputError as error:
            wrong.append(name)
            print(f"NOT OK  {name}: {error}", flush=True)
    if wrong:
        raise InputError(f"{', '.join(wrong)}: not ready for the class; the lines above say why, and what to do")
    print("Ready. Not checked: the browser, the other machines, and the network between them.")


def _packages() -> str:
    """Import what the chapters import."""
    missing = []
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            missing.append(f"{name} ({error})")
    if missing:
        raise InputError(f'cannot be imported: {", ".join(missing)}; run: pip install -e ".[course]"')
    return f"{', '.join(PACKAGES)} can be imported"


def _files() -> str:
    """Compare every embedded file with its SHA-256."""
    sums = dict(line.split("  ", 1)[::-1] for line in SUMS.read_text(encoding="utf-8").splitlines())
    wrong = [name for name, expected in sums.items() if _sha256(ASSETS / name) != expected]
    if wrong:
        raise InputError(f"missing, or not as published: {', '.join(wrong)} in {ASSETS}; install the course again")
    return f"{len(sums)} embedded files have the bytes that were published"


def _sha256(path: Path) -> str:
    """The SHA-256 of a file; nothing if there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _data() -> str:
    """Read the data set and every quiz."""
    examples, quizzes = load_examples(EMBEDDED), sorted(QUIZZES.glob("*.json"))
    questions = sum(len(load_quiz(path.stem)) for path in quizzes)
    return f"{len(examples):,} examples, {questions} questions in {len(quizzes)} quizzes"


def _model(name: str) -> str:
    """Load a model, which downloads and checks OpenAI's, and use it: a loss, and one answer."""
    model = load_pretrained(name).eval()
    examples = load_examples(EMBEDDED)[:16]
    loss = evaluate(model, in_order([encode_example(e, ALPACA) for e in examples], 16)).mean
    guessing = math.log(model.config.vocab_size)
    if not loss < guessing:  # NaN is not, either
        raise InputError(f"its loss is {loss:.1f}, no better than guessing ({guessing:.1f}); install the course again")
    respond(model, examples[:1], ALPACA, max_new_tokens=8)
    return f"loaded, loss {loss:.1f} before fine-tuning, and an answer was generated"


def _folder() -> str:
    """Whether a run may write here."""
    if not os.access(".", os.W_OK):
        raise InputError(f"{Path.cwd()} cannot be written to; change to a folder of your own")
    return "a run can write its results here"
