"""The tables of the status page, made from the files that hold the facts when the book is built."""

from __future__ import annotations

import datetime
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]


class Versions(SphinxDirective):
    """The versions that the lock names, of the packages in the body. The first line of the body: the two headings."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        lock = ROOT / "constraints.txt"
        self.env.note_dependency(str(lock))
        lines = [line.partition(" ;")[0].strip() for line in lock.read_text(encoding="utf-8").splitlines()]
        pins = [line.split("==") for line in lines if line and not line.startswith("#")]
        head, *names = self.content
        rows = []
        for name in names:
            versions = sorted({version for package, version in pins if package == name})
            if not versions:
                raise self.error(f"{name} is not in constraints.txt")
            rows.append([name, ", ".join(versions)])
        return [_table(head.split("|"), rows)]


class RunTimes(SphinxDirective):
    """What each chapter took, from chapters/times.json. The first line of the body: the headings, divided by |."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        noted = ROOT / "chapters" / "times.json"
        self.env.note_dependency(str(noted))
        times = json.loads(noted.read_text(encoding="utf-8"))
        rows = []
        for name, entry in times.items():
            learner, solutions = entry["learner"], entry["solutions"]
            memory = max(learner["memory_gb"] or 0, solutions["memory_gb"] or 0)
            took = [f"{kind['seconds']:.0f} s" for kind in (learner, solutions)]
            rows.append([name, *took, f"{memory:.2f} GB", entry["date"], entry["machine"]])
        return [_table(self.content[0].split("|"), rows)]


class Built(SphinxDirective):
    """When these pages were built, and from which commit. The body: a sentence with {date} and {commit}."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # never taken from the last build
        git = ["git", "log", "-1", "--format=%h of %cs"]
        told = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
        today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        text = " ".join(self.content).format(date=today, commit=told or "?")
        return [nodes.paragraph(text, text)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> nodes.table:
    table = nodes.table(classes=["status"])
    group = nodes.tgroup(cols=len(head))
    table += group
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", _row(head))
    group += nodes.tbody("", *[_row(row) for row in rows])
    return table


def _row(cells: Sequence[str]) -> nodes.row:
    return nodes.row("", *[nodes.entry("", nodes.paragraph(cell, cell.strip())) for cell in cells])
