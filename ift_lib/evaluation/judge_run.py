"""Asking a judge about many items: several at a time, written down one by one, taken up again after a stop.

    judge_items(items, judge, SCORE, out="verdicts.jsonl")

    verdicts.jsonl   one verdict a line, on the disk before the next item is asked about
    run again        items that have a verdict on this very prompt are not asked about; those that failed are
    at the end       one line for each item of this question, in their order: scored, unreadable or failed

A kill loses at most the items in hand. Not covered: two runs that write to one file at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ift_lib.errors import InputError
from ift_lib.evaluation.items import Item
from ift_lib.evaluation.judge import SCORE, Ask, Judge, Verdict, ask_one, sha256
from ift_lib.files import append_lines, whole_lines, write_text

GIVE_UP = 5
"""So many items in a row that failed, and the judge is taken for gone."""


def judge_items(
    items: Sequence[Item],
    judge: Judge,
    ask: Ask = SCORE,
    *,
    out: str | Path | None = None,
    judge_name: str = "",
    workers: int = 1,
    attempts: int = 2,
    on_verdict: Callable[[Verdict], None] | None = None,
) -> list[Verdict]:
    """One verdict for every item, in their order, whatever the judge does.

    `out` keeps the verdicts and is read first; `judge_name` goes into it, and InputError is raised when it holds those
    of another judge. `on_verdict` is told every verdict, those of the file first. At most `workers` questions are open
    at a time. After GIVE_UP failures in a row the rest is not asked any more: those items count as failed too, and the
    next run with the same `out` asks about them.
    """
    log = _Log(Path(out), judge_name, ask.name) if out else None
    known = log.verdicts if log else {}
    verdicts = {
        item.id: known[item.id]
        for item in items
        if item.id in known and known[item.id].prompt_sha256 == sha256(ask.prompt(item)) and not known[item.id].error
    }
    if on_verdict:
        for verdict in verdicts.values():
            on_verdict(verdict)
    waiting = [item for item in items if item.id not in verdicts]
    for verdict in _ask_all(waiting, judge, ask, workers, attempts):
        verdicts[verdict.id] = verdict
        if log:
            log.append(verdict)
        if on_verdict:
            on_verdict(verdict)
    in_order = [verdicts[item.id] for item in items]
    if log:
        log.rewrite(in_order)
    return in_order


def _ask_all(items: Sequence[Item], judge: Judge, ask: Ask, workers: int, attempts: int) -> Iterable[Verdict]:
    """The verdicts as they come in, never more than `workers` questions open; after GIVE_UP failures, no more."""
    left, failures = list(reversed(items)), 0
    with ThreadPoolExecutor(max_workers=workers) as pool:
        open_questions: set[Future[Verdict]] = set()
        while left or open_questions:
            while left and failures < GIVE_UP and len(open_questions) < workers:
                open_questions.add(pool.submit(ask_one, left.pop(), judge, ask, attempts))
            if not open_questions:
                break
            done, open_questions = wait(open_questions, return_when=FIRST_COMPLETED)
            for verdict in (future.result() for future in done):
                failures = failures + 1 if verdict.error else 0
                yield verdict
    for item in reversed(left):
        error = f"not asked: the judge had failed {GIVE_UP} times in a row"
        yield Verdict(item.id, None, error=error, prompt_sha256=sha256(ask.prompt(item)))


# --- the file ---


class _Log:
    """One question's verdicts in a file that may hold those of other questions too."""

    def __init__(self, path: Path, judge: str, ask: str) -> None:
        self.path, self.judge, self.ask = path, judge, ask
        self.lines = read_log(path) if path.exists() else []
        if others := {line["judge"] for line in self.lines} - {judge}:
            raise InputError(
                f"{path}: holds verdicts of {', '.join(sorted(map(repr, others)))}, not of {judge!r}; "
                "name another file for another judge"
            )
        self.verdicts = {line["id"]: verdict_of(line) for line in self.lines if line["ask"] == ask}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():  # half a line at the end, left by a kill, goes before the next is appended
            write_text(path, _text(self.lines))

    def append(self, verdict: Verdict) -> None:
        """Write one line, and see it on the disk."""
        append_lines(self.path, [json.dumps(self._line(verdict))])

    def rewrite(self, verdicts: Sequence[Verdict]) -> None:
        """The whole file anew: one line for each question and item; those that were not asked about now stay."""
        now = {(self.ask, v.id) for v in verdicts}
        others = {key: line for line in self.lines if (key := (line["ask"], line["id"])) not in now}
        write_text(self.path, _text([*others.values(), *map(self._line, verdicts)]))

    def _line(self, verdict: Verdict) -> dict[str, Any]:
        return {"judge": self.judge, "ask": self.ask, **asdict(verdict)}


def _text(lines: Iterable[dict[str, Any]]) -> str:
    # ASCII, as json writes: a reply may hold half a surrogate pair, which UTF-8 cannot.
    return "".join(json.dumps(line) + "\n" for line in lines)


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """The lines of a file of verdicts. Half a line at its end is left out; any other broken one is an InputError."""
    lines = []
    for number, line in enumerate(whole_lines(path), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            verdict_of(entry), entry["judge"], entry["ask"]
        except (ValueError, KeyError, TypeError) as e:
            raise InputError(f"{path}, line {number}: is no verdict ({e}); move the file away to start anew") from e
        lines.append(entry)
    return lines


def verdict_of(line: dict[str, Any]) -> Verdict:
    """The verdict in one line."""
    names = ("id", "score", "replies", "error", "prompt_sha256")
    verdict = Verdict(**{name: line[name] for name in names})
    return replace(verdict, replies=tuple(verdict.replies))
