"""What several test files share: a tiny model (tiny.py), a few examples, the real data where it is at hand."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from book_site import build
from learner import Say
from tiny import make_tiny

from ift_lib.data import Example
from ift_lib.model import GPT

REAL_DATA = Path(__file__).parents[2] / "shared" / "data" / "instruction-data.json"
"""The 1,100 entries of the book; beside the repository on some machines, never part of it."""


@pytest.fixture
def tiny() -> GPT:
    return make_tiny()


@pytest.fixture
def examples() -> list[Example]:
    """Twenty-four short examples of unequal length, half of them with an input."""
    fruits = "apple pear plum cherry lemon melon fig grape".split()
    return [
        Example(
            f"Say the word {fruit} {'very ' * (i % 5)}nicely, {times} times.",
            f"The word is {fruit}." if i % 2 else "",
            ", ".join([fruit] * times),
            "saying",
        )
        for times in (1, 2, 4)
        for i, fruit in enumerate(fruits)
    ]


@pytest.fixture
def real_data() -> Path:
    if not REAL_DATA.exists():
        pytest.skip("the book's 1,100 entries are not beside this checkout")
    return REAL_DATA


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """What a check prints about an answer; it must return None, or a notebook would show it."""

    def said(check: Callable[..., None], answer: Any) -> str:
        assert check(answer) is None
        return capsys.readouterr().out.strip()

    return said


@pytest.fixture(scope="session")
def website(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book, built anew. Without its packages: a skip on a person's machine, a failure in CI."""
    if missing := [
        name for name in ("jupyter_book", "axe_playwright_python") if importlib.util.find_spec(name) is None
    ]:
        message = f"{', '.join(missing)} not installed; `make book` installs what the book needs"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return build(tmp_path_factory.mktemp("book"))
