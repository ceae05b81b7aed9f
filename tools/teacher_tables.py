"""The tables of minutes in the teacher's part of the book, from the heads, sections and exercises of the chapters.

python tools/teacher_tables.py            write them anew
python tools/teacher_tables.py --check    say which pages are stale

A chapter's head says how long its text, its cells and its quiz take. The quiz has a minute a question; what is left is
shared among the sections by their length: a line of code counts as four words. The exercises say their own minutes,
and come on top. A page keeps a table between two comments: `<!-- one_day -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import build_notebooks as builder

from ift_lib.course.quiz import load_quiz

TEACHER = builder.ROOT / "book" / "teacher"
WORDS_A_LINE = 4
"""A line of code takes as long as so many words."""


@dataclass
class Chapter:
    """The minutes of one chapter."""

    number: int
    name: str
    title: str
    minutes: int
    """For text, cells and quiz, as its head says."""
    quiz: int
    sections: dict[str, int] = field(default_factory=dict)
    """Heading -> minutes."""
    exercises: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Number -> level and minutes."""


def read_chapter(source: Path) -> Chapter:
    """The minutes of a chapter from its source."""
    cells = builder._read(source)
    head = cells[0].source
    found = re.search(r"^\| (\d+) min \|", head, re.MULTILINE)
    assert found, f"{source.name} has no minutes in its head"
    title = head.splitlines()[0].removeprefix("# ").partition(" ")[2]
    chapter = Chapter(int(source.stem[:2]), source.stem, title, int(found[1]), len(load_quiz(source.stem)))
    lengths: dict[str, int] = {}
    heading = ""
    for cell in cells[1:]:
        if cell.cell_type == "code":
            lengths[heading] = lengths.get(heading, 0) + WORDS_A_LINE * len(cell.source.split("\n"))
            continue
        for line in cell.source.splitlines():
            if line.startswith("## "):
                heading = line[3:]
            lengths[heading] = lengths.get(heading, 0) + len(line.split())
    for number, level, minutes in re.findall(
        r"^### Exercise (\d) · (\w+) · (\d+) min$", "\n".join(cell.source for cell in cells), re.MULTILINE
    ):
        chapter.exercises[int(number)] = (level, int(minutes))
    opening = lengths.pop("", 0)  # before the first heading: it belongs to the first section
    numbered = {name: length for name, length in lengths.items() if re.match(r"\d+ ", name)}
    numbered[next(iter(numbered))] += opening
    chapter.sections = share(chapter.minutes - chapter.quiz, numbered)
    return chapter


def share(minutes: int, lengths: dict[str, int]) -> dict[str, int]:
    """Whole minutes in proportion to the lengths, at least one each, that add up to `minutes`."""
    left = minutes - len(lengths)
    exact = {name: left * length / sum(lengths.values()) for name, length in lengths.items()}
    whole = {name: 1 + int(value) for name, value in exact.items()}
    most = sorted(exact, key=lambda name: exact[name] % 1, reverse=True)
    for name in most[: minutes - sum(whole.values())]:
        whole[name] += 1
    return whole


def chapters() -> list[Chapter]:
    """All of them, in order."""
    return [read_chapter(source) for source in builder.sources()]


# --- the plans ---

PAUSE = "pause"
Item = tuple[int, str] | tuple[str, int]
"""What one does: a chapter and which of its parts, such as (1, "1-3 5 quiz e1"); or words and their minutes."""

PLANS: dict[str, dict[str, list[Item]]] = {
    "one_day": {
        "First hour: the whole way, and a frame for questions": [(0, "1-9 quiz e1"), (1, "1 3 4 6 7 e1")],
        "Before lunch: what is graded": [(PAUSE, 15), (3, "1-7 quiz e2")],
        "After lunch: train, and too much": [(PAUSE, 60), (5, "1-4 7 8 quiz e1"), (6, "1 2 4 6 8 e1")],
        "Last: is it any good?": [(PAUSE, 15), (7, "1-3 quiz e1"), ("what would you report?", 10)],
    },
    "three_sessions": {
        "Session 1: from an instruction to a batch": [
            (0, "1-9 quiz"), (1, "1 3-8 quiz e1-2"), (PAUSE, 10), (3, "1-6 quiz e2"),
        ],
        "Session 2: training and overfitting": [
            (4, "1 2 7"), (5, "1-4 7 8 quiz e1 e3"), (PAUSE, 15), (6, "1-6 8 quiz e1-2"),
        ],
        "Session 3: honest numbers": [(2, "3 5"), (7, "1-5 quiz"), (PAUSE, 15), (7, "e1"), (8, "3"), (10, "1")],
    },
    "six_sessions": {
        "Session 1: from an instruction to a text": [(0, "1-9 quiz e1-2"), (PAUSE, 10), (1, "1-10 quiz e1-2")],
        "Session 2: data one can trust": [(2, "1-7 quiz e1-2"), (PAUSE, 10), (3, "1-3")],
        "Session 3: masks, and the model": [(3, "4-10 quiz e1-3"), (PAUSE, 10), (4, "1 2 7-9")],
        "Session 4: training and overfitting": [(5, "1-9 quiz e1 e3"), (PAUSE, 10), (6, "1-8 quiz e1")],
        "Session 5: judging": [(7, "1-3 e1"), (PAUSE, 10), (7, "4 5 quiz e2")],
        "Session 6: benchmarks and comparisons": [(8, "3 9"), (9, "6"), (PAUSE, 10), (10, "1 3 5 e1")],
    },
}  # fmt: skip


def numbers(words: Sequence[str]) -> list[int]:
    """["1-3", "5"] as [1, 2, 3, 5]."""
    ends = [word.partition("-") for word in words]
    return [n for first, _, last in ends for n in range(int(first), int(last or first) + 1)]


def minutes_of(chapter: Chapter, parts: str) -> dict[str, int]:
    """What is done of a chapter -> its minutes. KeyError for a section or an exercise that is not there."""
    words = parts.split()
    by_number = {int(heading.split()[0]): minutes for heading, minutes in chapter.sections.items()}
    sections = numbers([word for word in words if word[0].isdigit()])
    exercises = numbers([word[1:] for word in words if word[0] == "e"])
    done = {}
    if sections:
        named = ", ".join(word.replace("-", "–") for word in words if word[0].isdigit())
        done[f"section{'s' * (len(sections) > 1)} {named}"] = sum(by_number[n] for n in sections)
    if "quiz" in words:
        done["quiz"] = chapter.quiz
    return done | {f"exercise {n} ({chapter.exercises[n][0]})": chapter.exercises[n][1] for n in exercises}


def plan(name: str, course: Sequence[Chapter]) -> str:
    """The tables of a plan: a session each, with the time since it began, and what is left for home."""
    text, clock = [], 0
    for session, items in PLANS[name].items():
        if name != "one_day":
            clock = 0
        text += [f"### {session}", "", "| from | min | |", "|--:|--:|---|"]
        finished = []
        for first, second in items:
            if isinstance(first, str):
                rows = {first: int(second)}
            else:
                chapter = course[first]
                finished += [chapter] if "quiz" in str(second).split() else []
                link = f"[{chapter.number} {chapter.title}](../../chapters/{chapter.name}.ipynb)"
                rows = {f"{link}: {what}": minutes for what, minutes in minutes_of(chapter, str(second)).items()}
            for what, minutes in rows.items():
                text.append(f"| {clock // 60}:{clock % 60:02} | {minutes} | {what} |")
                clock += minutes
        text += ["", f"It ends at {clock // 60}:{clock % 60:02}. At home: {_at_home(name, finished)}.", ""]
    return "\n".join(text).rstrip()


def _at_home(name: str, finished: Sequence[Chapter]) -> str:
    """What a plan has not in class of the exercises of the chapters that were finished, those with their quiz."""
    left = []
    for chapter in finished:
        items = [
            str(parts) for session in PLANS[name].values() for number, parts in session if number == chapter.number
        ]
        done = numbers([word[1:] for parts in items for word in parts.split() if word[0] == "e"])
        rest = {n: minutes for n, (_, minutes) in chapter.exercises.items() if n not in done}
        if rest:
            named = f"exercise{'s' * (len(rest) > 1)} {', '.join(map(str, rest))}"
            left.append(f"{named} of chapter {chapter.number} ({sum(rest.values())} min)")
    return "; ".join(left) or "nothing new"


def overview(course: Sequence[Chapter]) -> str:
    """A line for each chapter, and the sum."""
    rows = [
        (f"[{c.number} {c.title}](../../chapters/{c.name}.ipynb)", c.minutes, sum(m for _, m in c.exercises.values()))
        for c in course
    ]
    lines = [f"| {title} | {text} | {exercises} | {text + exercises} |" for title, text, exercises in rows]
    text, exercises = sum(row[1] for row in rows), sum(row[2] for row in rows)
    lines.append(f"| **all** | **{text}** | **{exercises}** | **{text + exercises}** |")
    return "\n".join(["| chapter | text, cells, quiz | exercises | both |", "|---|--:|--:|--:|", *lines])


def details(course: Sequence[Chapter]) -> str:
    """Every section and every exercise with its minutes."""
    text = []
    for c in course:
        text += [f"## {c.number} {c.title}", "", f"{c.minutes} minutes, and {_exercises(c)}.", ""]
        text += ["| section | min |", "|---|--:|"]
        text += [f"| {heading} | {minutes} |" for heading, minutes in c.sections.items()]
        text += [f"| quiz, {c.quiz} questions | {c.quiz} |", ""]
    return "\n".join(text).rstrip()


def _exercises(chapter: Chapter) -> str:
    """The exercises of a chapter in a clause."""
    each = ", ".join(f"{n} {level} {minutes}" for n, (level, minutes) in chapter.exercises.items())
    return f"{sum(minutes for _, minutes in chapter.exercises.values())} for the exercises ({each})"


# --- the pages ---


def renewed(page: str, tables: dict[str, str]) -> str:
    """A page with each of its tables as it should be."""

    def table(found: re.Match[str]) -> str:
        return f"<!-- {found[1]} -->\n\n{tables[found[1]]}\n\n<!-- end -->"

    return re.sub(r"<!-- (\w+) -->\n.*?<!-- end -->", table, page, flags=re.DOTALL)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the tables, or say which are stale; 1 if any is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say which pages are stale")
    check = parser.parse_args(argv).check
    course = chapters()
    tables = {name: plan(name, course) for name in PLANS} | {"overview": overview(course), "details": details(course)}
    stale = []
    for path in sorted(TEACHER.glob("*.md")):
        old = path.read_text(encoding="utf-8")
        new = renewed(old, tables)
        if new != old:
            stale.append(path.name)
            if not check:
                path.write_text(new, encoding="utf-8", newline="\n")
    print(f"stale: {', '.join(stale)}; python tools/teacher_tables.py" if stale and check else "The tables are right.")
    return int(bool(stale) and check)


if __name__ == "__main__":
    sys.exit(main())
