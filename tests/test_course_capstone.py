"""Chapter 11: what the checks say, to right answers and to the usual wrong ones."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import pytest
from learner import Say

from ift_lib.course.checks import capstone as checks
from ift_lib.course.checks.capstone import exact_p_value
from ift_lib.evaluation.metrics import paired_difference_interval


def counted(right: Sequence[bool], old: Sequence[bool]) -> tuple[int, int]:
    pairs = list(zip(right, old, strict=True))
    return sum(r and not b for r, b in pairs), sum(b and not r for r, b in pairs)


def test_1_right(say: Say) -> None:
    """Prevents a right answer from being refused."""

    def count_pairs(right: list[bool], old: list[bool]) -> list[float]:
        won, lost = counted(right, old)
        return [won, lost, sum(right) / len(right) - sum(old) / len(old)]

    assert say(checks.exercise_1, count_pairs).startswith("Exercise 1: right. Questions that both")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda r, b: None, "the `return` missing"),
        (lambda r, b: 3, "must return three numbers"),
        (lambda r, b: (*counted(b, r), 0.0), "wrong way round"),
        (lambda r, b: (sum(r), sum(b), (sum(r) - sum(b)) / len(r)), "all right answers of each"),
        (lambda r, b: (*counted(r, b), counted(r, b)[0] - counted(r, b)[1]), "divide by the number of questions"),
        (
            lambda r, b: (*counted(r, b), (counted(r, b)[0] - counted(r, b)[1]) / max(1, sum(counted(r, b)))),
            "Divide by all questions",
        ),
        (lambda r, b: (*counted(r, b), (sum(b) - sum(r)) / len(r)), "this model minus the baseline"),
    ],
)
def test_1_wrong(say: Say, answer: Any, words: str) -> None:
    """Prevents a usual mistake from passing, or from getting a hint for another one."""
    assert words in say(checks.exercise_1, answer)


def words_of(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def test_2_right(say: Say) -> None:
    """Prevents a right answer from being refused."""

    def find_copies(training: list[str], heldout: list[str]) -> list[int]:
        return [i for i, t in enumerate(training) if words_of(t) in {words_of(h) for h in heldout}]

    assert say(checks.exercise_2, find_copies).startswith("Exercise 2: right.")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda t, h: [i for i, text in enumerate(t) if text in h], "'the BELL does not ring!' is a held-out"),
        (
            lambda t, h: [i for i, text in enumerate(t) if text.lower().strip(" !.") in map(str.lower, h)],
            "was not found",
        ),
        (lambda t, h: [text for text in t if words_of(text) in map(words_of, h)], "and you gave the messages"),
        (lambda t, h: list(range(len(t))), "is no held-out message"),
        (lambda t, h: {i for i, text in enumerate(t) if words_of(text) in map(words_of, h)} and None, "return"),
        (
            lambda t, h: [i for i, text in enumerate(t) if words_of(text) in [words_of(x) for x in h]][::-1],
            "once, in order",
        ),
    ],
)
def test_2_wrong(say: Say, answer: Any, words: str) -> None:
    """Prevents a usual mistake from passing, or from getting a hint for another one."""
    assert words in say(checks.exercise_2, answer)


def tail(k: int, n: int) -> float:
    return sum(math.comb(n, i) for i in range(k, n + 1)) / 2**n


def test_3_right(say: Say) -> None:
    """Prevents a right answer from being refused."""
    assert say(checks.exercise_3, lambda w, v: min(1, 2 * tail(max(w, v), w + v))).startswith("Exercise 3: right.")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, v: None, "the `return` missing"),
        (lambda w, v: "0.05", "must return a number"),
        (lambda w, v: tail(max(w, v), w + v), "one side only"),
        (lambda w, v: 2 * tail(max(w, v), w + v), "1 at most"),
        (lambda w, v: min(1, 2 * tail(max(w, v) + 1, w + v)), "begin the sum at max"),
        (lambda w, v: min(1, 2 * tail(w, w + v)), "more losses than wins"),
        (lambda w, v: math.comb(w + v, max(w, v)) / 2 ** (w + v), "exactly this split"),
        (lambda w, v: 0.5, "Add comb(n, k)"),
    ],
)
def test_3_wrong(say: Say, answer: Any, words: str) -> None:
    """Prevents a usual mistake from passing, or from getting a hint for another one."""
    assert words in say(checks.exercise_3, answer)


def test_3_is_what_the_verdict_uses() -> None:
    """Prevents an exercise that teaches another test than `ift score` makes."""
    for won in range(12):
        for lost in range(12):
            low, high = paired_difference_interval(won, lost, 100)
            assert (exact_p_value(won, lost) < 0.05) == (low > 0 or high < 0)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("beats the baseline", "right. Your data beat"),
        ("no clear difference ", "right. A result like any other"),
        ("worse than the baseline", "right. Worth a report"),
        ("yes", "none of the three verdicts"),
        (..., "still to do"),
    ],
)
def test_4(say: Say, verdict: Any, words: str) -> None:
    """Prevents an honest "no clear difference" from being called wrong."""
    assert words in say(checks.exercise_4, verdict)
