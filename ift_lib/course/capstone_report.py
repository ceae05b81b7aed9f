"""The report of the capstone: a Markdown file with the numbers in it, and questions for the rest.

capstone_report.md is the template; a line that begins with ">" is a question, whose place the writer's words take.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from ift_lib.course.show import visible
from ift_lib.evaluation.heldout import Task

TEMPLATE = Path(__file__).with_suffix(".md")
SHOWN = 3
"""Answers quoted of each kind: won, lost."""


def report_skeleton(task: Task, score: dict[str, Any], answers: Sequence[str]) -> str:
    """The report of a score (see `score_command`), its numbers filled in."""
    rows = [
        f"| {_cell(name)} | {c['questions']} | {c['baseline_right']} | {c['right']} |"
        for name, c in [*score["categories"].items(), ("all", score)]
    ]
    files = [f"{_cell(d['file'])} (SHA-256 {d['sha256'][:12]}…)" for d in score["data"]]
    searched = f"{', '.join(files)}; no held-out question was found in it"
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        {name: _cell(str(score[name])) for name in ("model", "verdict", "questions", "looks", "weights", "template")},
        data=searched if files else "not known, so nobody looked for held-out questions in it",
        rows="\n".join(rows),
        won=len(score["won"]),
        lost=len(score["lost"]),
        difference=f"{score['difference']:+.1%}",
        interval=_interval(score["interval"]),
        interval_for_all_looks=_interval(score["interval_for_all_looks"]),
        heldout=f"{score['heldout_sha256'][:12]}…",
        baseline=f"{score['baseline_sha256'][:12]}…",
        torch=_cell(score["torch"]),
        won_answers=_quotes(task, score["won"], answers),
        lost_answers=_quotes(task, score["lost"], answers),
    )


def _interval(ends: Sequence[float]) -> str:
    return f"{ends[0]:+.1%} to {ends[1]:+.1%}"


def _quotes(task: Task, places: Sequence[int], answers: Sequence[str]) -> str:
    """The first few of these questions, with both answers and the reference."""
    lines = []
    for i in places[:SHOWN]:
        question = task.questions[i]
        lines.append(
            f"* question {i}, {_quoted(question.input or question.instruction)}: baseline {_quoted(task.baseline[i])}, "
            f"this model {_quoted(answers[i])}, reference {_quoted(question.output)}"
        )
    return "\n".join(lines) or "* none"


def _quoted(text: str) -> str:
    """A text as code on one line, which Markdown does not read as anything else."""
    return f"`{_cell(text).replace('`', chr(39))[:160] or '(nothing)'}`"


def _cell(text: str) -> str:
    """A text that can break neither a line nor a table."""
    return " ".join(visible(text).split()).replace("|", "/")
