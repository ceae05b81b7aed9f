"""What must be true of a built notebook before it is run again: each check returns its complaints.

nbval compares the outputs that are stored. It passes a notebook that was never run, and says nothing of pictures
without alt text, of paths that exist on one machine only, or of a header that promises one minute for five.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
languages = importlib.import_module("languages")

MOST_OUTPUT = 1_000_000
"""Bytes of output a notebook may store."""
MOST_IGNORED = 0.25
"""Share of code cells whose output nbval may be told to ignore; widgets and the setup cell are not counted."""
MOST_MINUTES, MOST_GB = 2, 2.0


@dataclass(frozen=True)
class Notebook:
    """A notebook with what its checks compare it with."""

    name: str
    """Such as 03_batching."""
    node: NotebookNode
    solutions: bool = False
    times: Any = None
    """The entry of times.json for this notebook: seconds and memory_gb."""
    badges: str = ""
    """The line of badges it must have."""
    questions: int = 0
    """How many questions its quiz has."""
    language: Any = languages.ENGLISH

    @cached_property
    def code(self) -> list[NotebookNode]:
        return [cell for cell in self.node.cells if cell.cell_type == "code"]

    @cached_property
    def prose(self) -> str:
        """All markdown, a blank line between two cells."""
        return "\n\n".join(cell.source for cell in self.node.cells if cell.cell_type == "markdown")


@dataclass(frozen=True)
class Header:
    """The table every notebook opens with."""

    minutes_for_you: int
    minutes_for_the_machine: int
    memory_gb: float
    network: str


def read_header(notebook: Notebook) -> Header | None:
    """The header of the first cell; None if it is not as the format says."""
    lines = [line.strip() for line in notebook.node.cells[0].source.splitlines()]
    if notebook.language.header not in lines:
        return None
    place, point = lines.index(notebook.language.header) + 2, notebook.language.decimal_point
    row = rf"\| (\d+) min \| (\d+) min \| (\d+(?:{re.escape(point)}\d+)?) GB \| ([^|]+) \|"
    found = re.fullmatch(row, "".join(lines[place : place + 1]))
    memory = float(found[3].replace(point, ".")) if found else 0.0
    return Header(int(found[1]), int(found[2]), memory, found[4].strip()) if found else None


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def named(cell: NotebookNode) -> str:
    """A cell by its number and first line, as a person finds it."""
    return f"cell [{cell.execution_count}] ({(cell.source.splitlines() or ['empty'])[0]})"


# --- run, and run in order ---


def check_execution(notebook: Notebook) -> list[str]:
    """Bug: nbval passes a notebook that was never run, so a chapter is published without a single output."""
    counts = [cell.execution_count for cell in notebook.code]
    if counts == list(range(1, len(counts) + 1)) and counts:
        return []
    return [f"its cells were run as {counts}, not from 1 to {len(counts)} in order: build it"]


def check_errors(notebook: Notebook) -> list[str]:
    """Bug: a learner opens a chapter and the first thing to see is a traceback, or a red warning."""
    bad = {"error": "an error", "stderr": "a warning (stderr)"}
    found = ((cell, o.get("name", o.output_type)) for cell in notebook.code for o in cell.outputs)
    return [f"{named(cell)} stored {bad[kind]}" for cell, kind in found if kind in bad]


# --- what is stored ---

MACHINE_PATH = re.compile(r"(?<![\w./:-])/(?:tmp|home|work|root|Users|mnt|var)\b|\b[A-Z]:\\\w")


def texts(value: Any) -> Iterator[str]:
    """Every text in an output but pictures, which are letters by chance."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not key.startswith("image/"):
                yield from texts(item)


def check_paths(notebook: Notebook) -> list[str]:
    """Bug: an output names a folder of the machine it was made on."""
    found = []
    for cell in notebook.node.cells:
        for text in (cell.source, *texts(cell.get("outputs", []))):
            if match := MACHINE_PATH.search(text):
                found.append(f"{match[0]!r} in: {text[max(0, match.start() - 30) : match.end() + 30]!r}")
    return found


def check_size(notebook: Notebook) -> list[str]:
    """Bug: a notebook of ten megabytes, which GitHub does not show and a classroom does not load."""
    size = sum(len(json.dumps(cell.outputs)) for cell in notebook.code)
    return [f"{size:,} bytes of outputs; at most {MOST_OUTPUT:,}"] if size >= MOST_OUTPUT else []


# --- pictures and widgets ---

MARKDOWN_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
IMG, SVG = re.compile(r"<img\b[^>]*>", re.I), re.compile(r"<svg\b[^>]*>", re.I)


def check_alt_texts(notebook: Notebook) -> list[str]:
    """Bug: a picture that a blind reader is told nothing about."""
    found = []
    for cell in notebook.code:
        data = [output.get("data", {}) for output in cell.outputs]
        if any(kind.startswith("image/") for d in data for kind in d):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            if not alt.strip():
                found.append(f'{named(cell)} shows a picture without mystnb={{"image": {{"alt": "..."}}}}')
        for html in (d["text/html"] for d in data if "text/html" in d):
            found += [f"{named(cell)}: {tag}" for tag in _untold("".join(html))]
    return found + [f"markdown: {tag}" for tag in _untold(notebook.prose)]


def _untold(text: str) -> list[str]:
    """The pictures in HTML or markdown that have no text."""
    images = [tag for tag in IMG.findall(text) if not re.search(r"""\balt=["']?[^"'\s>]""", tag)]
    drawings = [tag for tag in SVG.findall(text) if not re.search(r"""aria-label=["'][^"']|aria-hidden=""", tag)]
    return images + drawings + [m[0] for m in MARKDOWN_IMAGE.finditer(text) if not m[1].strip()]


def check_widgets(notebook: Notebook) -> list[str]:
    """Bug: without a kernel a widget is an empty place: in the book, on GitHub, on paper."""
    found = []
    for place, cell in enumerate(notebook.code):
        if "widget" in tags(cell):
            after = notebook.code[place + 1] if place + 1 < len(notebook.code) else None
            if not _has(cell, ("text/html",)) and not (after and _has(after, ("text/html", "image/"))):
                found.append(f"{named(cell)} is a widget without a twin: show its picture in the next code cell")
    return found


def _has(cell: NotebookNode, kinds: tuple[str, ...]) -> bool:
    """Whether a cell stores an output of such a kind."""
    return any(kind.startswith(kinds) for output in cell.outputs for kind in output.get("data", {}))


# --- the head ---


def check_header(notebook: Notebook) -> list[str]:
    """Bug: a class of thirty plans for one minute and 0.5 GB, and the notebook takes ten and 4 GB."""
    header = read_header(notebook)
    if header is None:
        return [
            f"the first cell has no table as the format says: {notebook.language.header} "
            "then | 40 min | 1 min | 0.6 GB | none |"
        ]
    if not notebook.times:
        return ["times.json does not know it: build it"]
    seconds, memory = notebook.times["seconds"], notebook.times["memory_gb"]
    if memory is None:
        return ["no memory was measured; build it on Linux"]
    minutes, promised = header.minutes_for_the_machine, header.memory_gb
    found = []
    if not seconds <= 60 * minutes:
        found.append(f"promises {minutes} min, took {seconds} s")
    if minutes > 1 and 60 * minutes > 3 * seconds:
        found.append(f"promises {minutes} min, took only {seconds} s")
    if not memory <= promised:
        found.append(f"promises {promised} GB, took {memory} GB")
    if promised > memory + 0.5 and promised > 2.5 * memory:
        found.append(f"promises {promised} GB, took only {memory} GB")
    if minutes > MOST_MINUTES or promised > MOST_GB:
        found.append(f"{minutes} min and {promised} GB; at most {MOST_MINUTES} min and {MOST_GB} GB")
    return found


def check_badges(notebook: Notebook) -> list[str]:
    """Bug: the repository moves, and the badges open somebody else's notebook, or none."""
    if notebook.badges in notebook.node.cells[0].source.splitlines():
        return []
    return ["its badges do not lead to the address in pyproject.toml: build it"]


# --- what nbval is told to ignore ---


def check_ignored(notebook: Notebook) -> list[str]:
    """Bug: a chapter whose outputs nobody compares passes every test."""
    cells = [cell for cell in notebook.code if not tags(cell) & {"setup", "widget"}]
    ignored = [cell for cell in cells if tags(cell) & {"approximate", "machine"}]
    found = []
    if len(ignored) > MOST_IGNORED * len(cells):
        found.append(f"{len(ignored)} of {len(cells)} code cells are ignored; at most {MOST_IGNORED:.0%}")
    ours = {"approximate", "machine", "widget"}
    for cell in notebook.code:
        unasked = any(tag.startswith("nbval-") for tag in tags(cell)) and not tags(cell) & ours
        if unasked or re.search(r"NBVAL_|PYTEST_VALIDATE", cell.source) or "raises-exception" in tags(cell):
            found.append(f"{named(cell)} is kept from nbval without one of the tags {sorted(ours)}")
    return found


def check_asserted(notebook: Notebook) -> list[str]:
    """Bug: the text says the loss falls, and on the reader's machine it rises, unseen."""
    found = []
    for place, cell in enumerate(notebook.code):
        if "approximate" in tags(cell):
            after = next(
                (c for c in notebook.code[place + 1 :] if not tags(c) & {"approximate", "machine", "widget"}), None
            )
            if after is None or not any(isinstance(node, ast.Assert) for node in ast.walk(_parse(after))):
                found.append(f"{named(cell)} is approximate, and the next cell asserts nothing")
    return found


def _parse(cell: NotebookNode) -> ast.Module:
    """The code of a cell; lines for IPython left out."""
    return ast.parse("\n".join(line for line in cell.source.splitlines() if not line.lstrip().startswith(("%", "!"))))


# --- the end: exercises, quiz, recap ---


def section(notebook: Notebook, title: str) -> str:
    """The prose from a heading of the second level to the next one."""
    return notebook.prose.partition(f"{title}\n")[2].partition("\n## ")[0]


def check_sections(notebook: Notebook) -> list[str]:
    """Bug: a chapter that ends without exercises, quiz or recap, or in another order."""
    wanted = list(notebook.language.sections)
    there = [line.strip() for line in notebook.prose.splitlines() if line.strip() in wanted]
    found = [] if there == wanted else [f"ends with the headings {there}, not {wanted}"]
    recap = section(notebook, wanted[2]).strip()
    points = re.findall(r"^(?:[-*]|\d+\.) ", recap, re.M) or recap.splitlines()
    if not 1 <= len(points) <= 5:
        found.append(f"its recap has {len(points)} lines or points; at most five")
    return found


def check_exercises(notebook: Notebook) -> list[str]:
    """Bug: an exercise without hint, level or minutes, or one that nothing answers."""
    kind = "solution" if notebook.solutions else "exercise"
    cells = [place for place, cell in enumerate(notebook.code) if kind in tags(cell)]
    found = [] if len(cells) >= 3 else [f"{len(cells)} cells tagged {kind}; at least three"]
    for place in cells:
        if not any("checks." in cell.source for cell in notebook.code[place + 1 : place + 3]):
            found.append(f"{named(notebook.code[place])}: none of the next two code cells calls a check")
    word, levels_there_are = notebook.language.exercise, notebook.language.levels
    parts = re.split(r"^### ", section(notebook, notebook.language.sections[0]), flags=re.M)[1:]
    parts = [part for part in parts if part.startswith(word)]
    level = rf"\b({'|'.join(levels_there_are)})\b"
    if len(parts) != len(cells):
        found.append(f"{len(parts)} headings `### {word} ...` for {len(cells)} exercises")
    for part in parts:
        title = part.splitlines()[0]
        if not re.search(rf"{level}.*\b\d+ min", title):
            found.append(
                f"### {title}: says no level and minutes, such as `### {word} 1 · {levels_there_are[0]} · 5 min`"
            )
        if "<details>" not in part:
            found.append(f"### {title}: has no folded hint")
    levels = set(re.findall(level, " ".join(part.splitlines()[0] for part in parts)))
    if notebook.name != "00_start_here" and levels != set(levels_there_are):
        found.append(f"levels {sorted(levels)}; all three are wanted: {', '.join(levels_there_are)}")
    return found


def check_quiz(notebook: Notebook) -> list[str]:
    """Bug: the quiz is another chapter's, too short, or never shown."""
    shown = [cell for cell in notebook.code if f'quiz("{notebook.name}")' in cell.source]
    found = [] if shown else [f'no cell shows quiz("{notebook.name}")']
    if notebook.questions < 5:
        found.append(f"its quiz has {notebook.questions} questions; at least five")
    return found


# --- by hand, or the package's ---


def public_names(package: Path = ROOT / "ift_lib") -> set[str]:
    """The functions and classes of the package that a notebook must not hold a second time."""
    names = set()
    for path in package.rglob("*.py"):
        if "course" not in path.relative_to(package).parts:
            body = ast.parse(path.read_text(encoding="utf-8")).body
            names |= {node.name for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    return {name for name in names if not name.startswith("_")}


def check_by_hand(notebook: Notebook, names: set[str] | None = None) -> list[str]:
    """Bug: a notebook holds its own copy of the package's function, and one day they differ.

    It may, where doing it by hand is the lesson: then one of the next three code cells (or the same) asserts something
    about it, or has a check look at it.
    """
    names = public_names() if names is None else names
    found = []
    for place, cell in enumerate(notebook.code):
        for node in _parse(cell).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in names:
                near = notebook.code[place : place + 4]
                if not any(_proves(c, node.name) for c in near):
                    found.append(f"{named(cell)} defines {node.name}, as ift_lib does, and no cell proves them equal")
    return found


def _proves(cell: NotebookNode, name: str) -> bool:
    """Whether an assert, or a call of a check, names the function."""
    for node in ast.walk(_parse(cell)):
        is_check = isinstance(node, ast.Call) and ast.unparse(node.func).startswith("checks.")
        if isinstance(node, ast.Assert) or is_check:
            if any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node)):
                return True
    return False


CHECKS: list[Callable[[Notebook], list[str]]] = [
    check_execution,
    check_errors,
    check_paths,
    check_size,
    check_alt_texts,
    check_widgets,
    check_header,
    check_badges,
    check_ignored,
    check_asserted,
    check_sections,
    check_exercises,
    check_quiz,
    check_by_hand,
]
