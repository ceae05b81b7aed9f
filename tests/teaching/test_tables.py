"""The minutes in the teacher's part are those of the chapters."""

from __future__ import annotations

import importlib
import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
tables = importlib.import_module("teacher_tables")
COURSE = tables.chapters()


@pytest.mark.parametrize("chapter", COURSE, ids=lambda chapter: chapter.name)
def test_minutes_add_up(chapter: tables.Chapter) -> None:
    """Bug: the sections of a chapter take longer than the chapter."""
    head = (ROOT / "chapters" / f"{chapter.name}.py").read_text(encoding="utf-8")
    promised = re.search(r"^# \| (\d+) min \|", head, re.MULTILINE)
    assert promised and sum(chapter.sections.values()) + chapter.quiz == int(promised[1])
    assert min(chapter.sections.values()) >= 1
    assert {n: m for n, (_, m) in chapter.exercises.items()} == {
        int(n): int(m) for n, m in re.findall(r"^# ### Exercise (\d) · \w+ · (\d+) min$", head, re.MULTILINE)
    }


def test_no_page_is_stale(capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: a chapter changes its minutes, and the plans go on promising the old ones."""
    assert tables.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("name", tables.PLANS)
def test_the_clock_of_a_plan(name: str) -> None:
    """Bug: a part begins before the one above it ends; or a session is longer than the page says."""
    page = tables.plan(name, COURSE)
    longest = {"one_day": 6.5 * 60, "three_sessions": 180, "six_sessions": 150}[name]
    for session in re.split(r"^### ", page, flags=re.MULTILINE)[1:]:
        rows = [(int(h) * 60 + int(m), int(n)) for h, m, n in re.findall(r"^\| (\d+):(\d+) \| (\d+) \|", session, re.M)]
        ends = re.search(r"It ends at (\d+):(\d+)\.", session)
        assert ends
        rows.append((int(ends[1]) * 60 + int(ends[2]), 0))
        assert all(start + minutes == following for (start, minutes), (following, _) in pairwise(rows))
        assert rows[-1][0] <= longest
        assert name == "one_day" or rows[0][0] == 0


def test_a_section_that_is_not_there() -> None:
    """Bug: a section is taken out of a chapter, and a plan goes on with its number."""
    with pytest.raises(KeyError):
        tables.minutes_of(COURSE[1], "1 99")
