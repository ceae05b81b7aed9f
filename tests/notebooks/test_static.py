"""Every built notebook passes every check of the gate, and none is stale."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import nbformat
import pytest
from gate import CHECKS, ROOT, Notebook, languages

from ift_lib.course.quiz import QUIZZES, load_quiz

sys.path.insert(0, str(ROOT / "tools"))
builder = importlib.import_module("build_notebooks")

CHAPTERS = ROOT / "chapters"
PATHS = sorted(path for path in CHAPTERS.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


@cache
def read(path: Path) -> Notebook:
    """A notebook of the repository, with what its checks compare it with."""
    solutions, language = path.parent.name == "solutions", languages.language_of(path)
    # A translation is the same program (tools/translations.py sees to that), so its times are those of the original.
    times = json.loads((CHAPTERS / "times.json").read_text(encoding="utf-8")).get(path.stem, {})
    name = Path(language.folder, path.stem).as_posix()
    return Notebook(
        name,
        nbformat.read(path, as_version=4),
        solutions,
        times.get("solutions" if solutions else "learner"),
        builder.badges(builder.repository(), path.relative_to(ROOT).as_posix(), language),
        len(load_quiz(name)),
        language,
    )


def test_no_notebook_is_stale() -> None:
    """Bug: the text of a chapter is mended in its source, and readers go on seeing the old notebook."""
    assert builder.stale() == [], "build them: make notebooks"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.relative_to(CHAPTERS).with_suffix("").as_posix())
def test_notebook(path: Path, check: Callable[[Notebook], list[str]]) -> None:
    """Bug: see the docstring of each check in gate.py."""
    assert check(read(path)) == []


@pytest.mark.parametrize(
    "name", [path.relative_to(QUIZZES).with_suffix("").as_posix() for path in sorted(QUIZZES.rglob("*.json"))]
)
def test_quiz_data(name: str) -> None:
    """Bug: a question without a right option, or an option that is never explained (load_quiz refuses both)."""
    questions = load_quiz(name)
    assert len(questions) >= 5
    assert len({question.question for question in questions}) == len(questions)
    letters = {next(i for i, option in enumerate(q.shuffled()) if option.right) for q in questions}
    assert len(letters) > 1, "the right option stands in the same place in every question"


def test_there_are_notebooks() -> None:
    """Bug: the folder moves, nothing is collected, and all tests of this file pass."""
    assert any(path.parent.name == "solutions" for path in PATHS)
    assert len(PATHS) == 2 * len(builder.sources())
