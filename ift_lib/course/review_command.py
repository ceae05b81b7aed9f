"""`ift review`: grade the test answers of a run, in JupyterLab or in the terminal.

RUN/review.ipynb     the review desk, opened in JupyterLab
    grades.sqlite    the grades; both ways write to the same file
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import indent
from typing import Any

from ift_lib.course.show import in_terminal, visible
from ift_lib.errors import InputError
from ift_lib.evaluation.items import Item, load_items
from ift_lib.evaluation.review import HIGHEST, LOWEST, SCALE, Grade, ReviewStore, blind_order
from ift_lib.files import write_text

GRADES = "grades.sqlite"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of `ift review`."""
    parser.description = (
        "Read each answer beside its reference and grade it from 1 to 5. Blind, in an order of your own, "
        "saved as you go."
    )
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    parser.add_argument("--terminal", action="store_true", help="here, in place of JupyterLab")
    parser.add_argument("--grader", default="me", metavar="NAME", help="who grades (default: me)")
    parser.add_argument("--seed", type=int, default=0, help="decides the order (default: 0)")
    parser.set_defaults(do=_review)


def _review(args: argparse.Namespace) -> None:
    folder = Path(args.run)
    items = load_items(folder)
    if not items:
        raise InputError(f"{folder}: holds no answers")
    if args.terminal:
        review_in_terminal(items, ReviewStore(folder / GRADES), args.grader, args.seed)
        return
    notebook = write_notebook(folder, args.grader, args.seed)
    if importlib.util.find_spec("jupyterlab") is None:
        raise InputError('JupyterLab is not installed; pip install "ift-lib[course]", or review with --terminal')
    print(f"opening {notebook} in JupyterLab; run its one cell. Ctrl-C here ends it.")
    subprocess.run([sys.executable, "-m", "jupyterlab", str(notebook)], check=False)


# --- JupyterLab ---


def write_notebook(folder: Path, grader: str, seed: int) -> Path:
    """A notebook with the desk for this run, atomically; returns its path. It finds the answers beside itself."""
    code = (
        "from ift_lib.course.widgets.review_desk import review_desk\n"
        "from ift_lib.evaluation import load_items\n\n"
        f'review_desk(load_items("responses.jsonl"), {GRADES!r}, grader={grader!r}, seed={seed})'
    )
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "desk",
        "metadata": {},
        "source": code,
        "outputs": [],
        "execution_count": None,
    }
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook: dict[str, Any] = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    write_text(folder / "review.ipynb", json.dumps(notebook, indent=1) + "\n")
    return folder / "review.ipynb"


# --- the terminal ---

HELP = f"{LOWEST} to {HIGHEST} grade, with a note after it if you like; n next, b back, ? the scale, q quit"


def review_in_terminal(items: Sequence[Item], store: ReviewStore, grader: str, seed: int) -> None:
    """Show an answer, read a line, until "q" or the end of input; each grade is on the disk before the next answer.

    Raises InputError for a grader without a name, or a store that cannot be used.
    """
    by_id = {item.id: item for item in items}
    order = blind_order(list(by_id), grader.strip(), seed)
    graded = {g.item: g for g in store.grades(grader) if g.item in by_id}
    place = next((i for i, item in enumerate(order) if item not in graded), 0)
    print(HELP)
    while True:
        given = graded.get(order[place])
        print(card(by_id[order[place]], place + 1, len(order), given))
        try:
            key, _, note = input("grade> ").strip().partition(" ")
        except EOFError:
            key = "q"
        if key in map(str, range(LOWEST, HIGHEST + 1)):
            graded[order[place]] = store.grade(order[place], grader=grader, grade=int(key), note=note.strip())
            after = [*range(place + 1, len(order)), *range(place)]
            place = next((i for i in after if order[i] not in graded), place)
        elif key in ("n", "b"):
            place = max(0, min(len(order) - 1, place + (1 if key == "n" else -1)))
        elif key == "q":
            break
        else:
            print("\n".join([HELP, *(f"{grade}: {meaning}" for grade, meaning in SCALE.items())]))
    print(f"\n{len(graded)} of {len(order)} graded by {visible(grader)}, in {store.path}")


def card(item: Item, place: int, total: int, grade: Grade | None) -> str:
    """One answer as plain text: the task, the response, the reference; nothing that gives a hint, nothing that acts."""
    state = (
        f"graded {grade.grade}" + (f", {in_terminal(grade.note)}" if grade.note else "") if grade else "not graded yet"
    )
    task = item.instruction + (f"\n{item.input}" if item.input else "")
    parts = [("task", task), ("response", item.response), ("reference", item.output)]
    # Set in, so that no text can pass for one of our own lines.
    body = "\n".join(f"--- {name}\n{indent(in_terminal(text), '  ', lambda line: True)}" for name, text in parts)
    return f"\n=== answer {place} of {total}, {state}\n{body}\n---"
