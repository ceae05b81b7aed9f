"""From the text source of an assignment to a course folder that nbgrader can work with.

python tools/build_assignment.py my_course                       every assignment of assignments/
cd my_course && nbgrader generate_assignment prompts_and_masks    and so on: book/teacher/assignments.md

    assignments/prompts_and_masks.py                              the source, py:percent, with the solutions
    my_course/source/prompts_and_masks/prompts_and_masks.ipynb    the notebook, with nbgrader's metadata
    my_course/nbgrader_config.py                                  a copy of assignments/nbgrader_config.py

The head of a cell says what it is to nbgrader; its name becomes the `grade_id`, which must never change once students
have the notebook:

    # %% solution="make_prompt"                     students write here; what stands between BEGIN and END SOLUTION goes
    # %% tests="row_ends" points=2                  tests; what stands between BEGIN and END HIDDEN TESTS goes
    # %% locked="setup"                             put back before grading, worth nothing
    # %% [markdown] essay="reading" points=3        answered in words, graded by hand; here a model answer
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).parents[1]
ASSIGNMENTS = ROOT / "assignments"

KINDS = {
    "solution": {"grade": False, "solution": True, "locked": False},
    "tests": {"grade": True, "solution": False, "locked": True},
    "locked": {"grade": False, "solution": False, "locked": True},
    "essay": {"grade": True, "solution": True, "locked": False},
}
"""What each kind of cell is in the words of nbgrader."""


class SourceError(Exception):
    """A source that breaks a rule of its format; the message names the cell."""


def assemble(source: Path) -> NotebookNode:
    """The notebook of an assignment as nbgrader's `source/` wants it. Raises SourceError."""
    cells, seen = [], set()
    for place, read in enumerate(jupytext.read(source, fmt="py:percent").cells):
        head = {key: value for key, value in read.metadata.items() if key != "lines_to_next_cell"}
        name, nbgrader = _nbgrader(f"{source.name}, cell {place}", head)
        if name in seen:
            raise SourceError(f"{source.name}, cell {place}: the name {name!r} is taken by a cell above")
        seen.add(name or f"text-{place}")
        make = {"markdown": new_markdown_cell, "code": new_code_cell}[read.cell_type]
        metadata = {"nbgrader": nbgrader | {"cell_type": read.cell_type}} if nbgrader else {}
        cells.append(make(read.source, metadata=metadata, id=(name or f"text-{place}").replace("_", "-")))
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def _nbgrader(where: str, head: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name of a cell and its nbgrader metadata; ("", {}) for a cell that is none of nbgrader's business."""
    kinds = head.keys() & KINDS.keys()
    graded = kinds <= {"tests", "essay"} and kinds
    if not head:
        return "", {}
    if len(kinds) != 1 or head.keys() - kinds - {"points"} or bool(graded) != ("points" in head):
        raise SourceError(f"{where}: {head} must be one of {sorted(KINDS)}, with points for tests and essay only")
    (kind,) = kinds
    name = str(head[kind])
    metadata = {"schema_version": 3, "grade_id": name, "task": False, **KINDS[kind]}
    return name, metadata | ({"points": head["points"]} if graded else {})


def build(course: Path) -> list[Path]:
    """Make the course folder, or renew the sources and the configuration in it; the paths of the notebooks."""
    built = []
    for source in sorted(ASSIGNMENTS.glob("*.py")):
        if source.name == "nbgrader_config.py":
            continue
        path = course / "source" / source.stem / f"{source.stem}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(assemble(source), path)
        built.append(path)
    shutil.copy(ASSIGNMENTS / "nbgrader_config.py", course)
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Build the course folder that was named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("course", type=Path, metavar="FOLDER", help="the course folder; made if it is not there")
    for path in build(parser.parse_args(argv).course):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
