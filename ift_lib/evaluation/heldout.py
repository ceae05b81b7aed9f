"""A fixed held-out set: questions that stay the same for everybody, a baseline's answers to them, and who beats it.

FOLDER/heldout.json     the questions with their references, an Alpaca file; never trained on
       baseline.jsonl   the recorded answers of the baseline, one a line, as in a run's responses.jsonl
       task.json        the SHA-256 of both, and how the baseline was made

task = load_task()                          refuses a folder whose files are not the recorded ones
find_leaks(training, task.questions)        training examples that give a question away
compare_with_baseline(task, answers)        right and wrong item by item, with an interval and a verdict
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ift_lib.data import Example, find_duplicates, load_examples
from ift_lib.errors import InputError
from ift_lib.evaluation.items import load_items
from ift_lib.evaluation.metrics import Interval, paired_difference_interval
from ift_lib.evaluation.verify import verify

CAPSTONE = Path(__file__).parents[1] / "assets" / "capstone"
"""The course's own: messages to a community house."""


# --- the task ---


@dataclass(frozen=True)
class Task:
    """What is asked, what the baseline answered, and the record of how it was made."""

    questions: list[Example]
    baseline: list[str]
    """The baseline's answers, in the order of the questions."""
    record: dict[str, Any]
    """task.json."""

    @property
    def sha256(self) -> str:
        """The hash of the questions, which names the held-out set."""
        return str(self.record["heldout_sha256"])


def load_task(folder: str | Path = CAPSTONE) -> Task:
    """The task in a folder.

    Raises InputError when a file is missing or broken, is not the one that was recorded, or holds a question that no
    rule of `verify` can check.
    """
    folder = Path(folder)
    try:
        record = json.loads((folder / "task.json").read_text(encoding="utf-8"))
        recorded = {"heldout.json": record["heldout_sha256"], "baseline.jsonl": record["baseline_sha256"]}
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise InputError(f"{folder}: holds no held-out set ({e}); name the folder of a task.json") from e
    for name, wanted in recorded.items():
        if (found := file_sha256(folder / name)) != wanted:
            raise InputError(
                f"{folder / name}: is not the file that was recorded (SHA-256 {found[:12]}…, recorded {wanted[:12]}…); "
                "a score on other questions or against other answers compares with nobody's: put the original back"
            )
    questions = load_examples(folder / "heldout.json")
    items = load_items(folder / "baseline.jsonl")
    if [item.example for item in items] != questions:
        raise InputError(f"{folder}: baseline.jsonl does not answer the questions of heldout.json, in their order")
    if unchecked := [i for i, question in enumerate(questions) if verify(question, "an answer") is None]:
        raise InputError(f"{folder / 'heldout.json'}: no rule can check the entries {unchecked[:10]}; see verify.RULES")
    return Task(questions, [item.response for item in items], record)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file. Raises InputError if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as e:
        raise InputError(f"{path}: cannot be read ({e.strerror}); put the file back") from e


# --- leaks ---

LEAK_THRESHOLD = 0.6
"""Two messages with at least this share of their shingles in common are one message in two versions."""
SHORTEST_CONTAINED = 4
"""Words from which on a message inside another text gives it away: "Keep left" stands in many sentences."""


@dataclass(frozen=True)
class Leak:
    """A training example that gives a held-out question away."""

    entry: int
    """Place in the training data, from 0."""
    question: int
    """Place in the held-out set, from 0."""
    kind: str
    """"the same", "contains it" or "nearly the same"."""


def find_leaks(training: Sequence[Example], heldout: Sequence[Example]) -> list[Leak]:
    """Which training examples give a held-out question away, by their place; one leak for each such example.

    Compared is the *message* of a question: its input, or its instruction where there is none. The instruction is left
    out, as all questions of one kind share it.

        the same          the message is the training example's input, instruction, output or whole question
        contains it       it stands somewhere in the example's texts, and has SHORTEST_CONTAINED words or more
        nearly the same   `find_duplicates` puts the two messages into one group, at LEAK_THRESHOLD

    Case, punctuation, spaces and Unicode's forms of one letter do not count. A paraphrase is not found by any of them.

    >>> question = Example("Which desk?", "The bell at the gate does not ring.", "Repair")
    >>> find_leaks([Example("Sort: the bell at the GATE does not ring!", "", "Repair")], [question])
    [Leak(entry=0, question=0, kind='contains it')]
    """
    messages = [plain(e.input or e.instruction) for e in heldout]
    instructions = sorted({plain(e.instruction) for e in heldout if e.input}, key=len, reverse=True)
    by_message = {message: i for i, message in reversed(list(enumerate(messages)))}
    found: dict[int, Leak] = {}
    near: list[tuple[int, str]] = []  # (training entry, a text that could be a message)
    for entry, example in enumerate(training):
        parts = [plain(part) for part in (example.input, example.instruction, example.output)]
        question = plain(f"{example.instruction} {example.input}")
        bare = question
        for instruction in instructions:
            bare = bare.replace(instruction, " ").strip()
        same = next((by_message[text] for text in [*parts, question, bare] if text in by_message), None)
        whole = f" {question} {parts[2]} "
        inside = next(
            (i for i, m in enumerate(messages) if f" {m} " in whole and len(m.split()) >= SHORTEST_CONTAINED), None
        )
        if same is not None:
            found[entry] = Leak(entry, same, "the same")
        elif inside is not None:
            found[entry] = Leak(entry, inside, "contains it")
        near += [(entry, text) for text in {parts[0] or parts[1], bare} if text]
    texts = [Example(text) for text in [*messages, *(text for _, text in near)]]
    for group in find_duplicates(texts, LEAK_THRESHOLD):
        if group[0] < len(messages):  # groups are sorted: a held-out question comes first
            for place in group:
                if place >= len(messages):
                    entry = near[place - len(messages)][0]
                    found.setdefault(entry, Leak(entry, group[0], "nearly the same"))
    return [found[entry] for entry in sorted(found)]


def plain(text: str) -> str:
    """The words of a text in lower case, one space between two; compatible forms of a letter are one letter."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


# --- the comparison ---


@dataclass(frozen=True)
class Comparison:
    """Two models on the same questions. "Won" are the questions that only the new one has right."""

    right: list[bool]
    baseline: list[bool]

    @property
    def won(self) -> list[int]:
        """Places of the questions that the baseline has wrong and this model right."""
        return [i for i, (new, old) in enumerate(zip(self.right, self.baseline, strict=True)) if new and not old]

    @property
    def lost(self) -> list[int]:
        """Places of the questions that the baseline has right and this model wrong."""
        return [i for i, (new, old) in enumerate(zip(self.right, self.baseline, strict=True)) if old and not new]

    @property
    def difference(self) -> float:
        """Share of right answers, minus the baseline's: -1 to 1."""
        return (len(self.won) - len(self.lost)) / len(self.right)

    def interval(self, looks: int = 1) -> Interval:
        """The 95 % interval of the difference; with several `looks`, one at which *all* of them would hold together.

        The more models are tried on one held-out set, the better the luckiest looks. Bonferroni's answer: each
        interval is made at a confidence of 1 - 0.05 / looks, so the chance that any of them misses is 5 % at most.
        """
        return paired_difference_interval(len(self.won), len(self.lost), len(self.right), 1 - 0.05 / looks)

    def verdict(self, looks: int = 1) -> str:
        """What the interval allows to say."""
        low, high = self.interval(looks)
        if low > 0:
            return "beats the baseline"
        return "worse than the baseline" if high < 0 else "no clear difference"


def compare_with_baseline(task: Task, answers: Sequence[str]) -> Comparison:
    """Both models' answers, right or wrong by the rule of each kind. Raises ValueError for another number of them."""
    if len(answers) != len(task.questions):
        raise ValueError(f"{len(answers)} answers to {len(task.questions)} questions: each needs one, in their order")
    return Comparison(
        [bool(verify(q, a)) for q, a in zip(task.questions, answers, strict=True)],
        [bool(verify(q, a)) for q, a in zip(task.questions, task.baseline, strict=True)],
    )
