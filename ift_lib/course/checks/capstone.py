"""Feedback on the exercises of chapter 11."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ift_lib.course.checks.feedback import Wrong, exercise, short
from ift_lib.evaluation.heldout import plain

# --- 1: pairs ---

_PAIRS: list[tuple[list[bool], list[bool]]] = [
    ([True, True, False, False], [False, True, True, False]),
    ([True, True, True, False, True], [False, False, True, False, False]),
    ([False, False, False], [True, True, False]),
    ([True, False], [True, False]),
]


@exercise("1")
def exercise_1(count_pairs: Callable[[list[bool], list[bool]], Any]) -> str:
    """`count_pairs(right, baseline)` -> (won, lost, difference)."""
    for right, baseline in _PAIRS:
        given = count_pairs(list(right), list(baseline))
        if given is None:
            raise Wrong("Your function returned None: is the `return` missing?")
        if not isinstance(given, tuple | list) or len(given) != 3:
            raise Wrong(f"count_pairs must return three numbers, won, lost and the difference, not {short(given)}.")
        won = sum(r and not b for r, b in zip(right, baseline, strict=True))
        lost = sum(b and not r for r, b in zip(right, baseline, strict=True))
        expected = (won, lost, (won - lost) / len(right))
        if not all(math.isclose(g, e, abs_tol=1e-9) for g, e in zip(given, expected, strict=True)):
            where = f"For right={right} and baseline={baseline} you gave {short(tuple(given))}, and it is {expected}. "
            raise Wrong(where + _hint_pairs(right, baseline, given, expected))
    return "Questions that both have right, or both wrong, say nothing about which is better."


def _hint_pairs(
    right: Sequence[bool], baseline: Sequence[bool], given: Sequence[Any], expected: tuple[int, int, float]
) -> str:
    won, lost, difference = expected
    if given[0] == lost and given[1] == won:
        return "Won and lost are the wrong way round: won is what this model has right and the baseline wrong."
    if given[0] == sum(right) and given[1] == sum(baseline):
        return "You counted all right answers of each; count the questions where only one of the two is right."
    if given[2] == won - lost:
        return "The difference is one of shares: divide by the number of questions."
    if won + lost and math.isclose(given[2], (won - lost) / (won + lost)):
        return "Divide by all questions, not only by those where the two differ."
    if math.isclose(given[2], -difference):
        return "The difference is this model minus the baseline, so a win makes it larger."
    return "Go through both lists side by side with zip, and count `r and not b` and `b and not r`."


# --- 2: copies in the training data ---

_HELDOUT = ["The bell does not ring.", "Where can I park my car?", "Café tables are wet"]
_TRAINING = [
    "The bell does not ring.",
    "the BELL does not ring!",
    "  The bell   does\nnot ring ",
    "The bell rings.",
    "Where can I park my car",
    "Where can I park my cart?",
    "CAFÉ TABLES — are wet!",
    "",
]


@exercise("2")
def exercise_2(find_copies: Callable[[list[str], list[str]], Any]) -> str:
    """`find_copies(training, heldout)` -> places of the training messages that are a held-out one."""
    given = find_copies(list(_TRAINING), list(_HELDOUT))
    if given is None:
        raise Wrong("Your function returned None: is the `return` missing?")
    if not isinstance(given, list | tuple | set):
        raise Wrong(f"find_copies must return a list of places, not {short(given)}.")
    seen = {plain(text) for text in _HELDOUT}
    expected = [i for i, text in enumerate(_TRAINING) if plain(text) in seen]
    if any(isinstance(place, str) for place in given):
        raise Wrong("find_copies must return the places of the messages, counted from 0, and you gave the messages.")
    if missed := [i for i in expected if i not in given]:
        raise Wrong(f"{_TRAINING[missed[0]]!r} is a held-out message in other clothes, and was not found. {_CLOTHES}")
    if wrong := [i for i in given if i not in expected]:
        raise Wrong(f"{_TRAINING[wrong[0]]!r} is no held-out message; compare whole words in their order.")
    if list(given) != expected:
        raise Wrong(f"You found the right messages, but gave the places as {short(given)}; list each once, in order.")
    return "Case, punctuation and spaces hide nothing any more. Paraphrases still do: only reading finds those."


_CLOTHES = "Case, punctuation, and how many spaces there are must not count."

# --- 3: the exact test ---


def exact_p_value(won: int, lost: int) -> float:
    """Two-sided: how often a fair coin would split won + lost tosses at least so unevenly."""
    n, extreme = won + lost, max(won, lost)
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(extreme, n + 1)) / 2**n)


@exercise("3")
def exercise_3(p_value: Callable[[int, int], Any]) -> str:
    """`p_value(won, lost)` -> the exact two-sided p-value of McNemar's test."""
    for won, lost in ((9, 1), (1, 9), (5, 0), (6, 0), (4, 4), (0, 0), (30, 12), (3, 2)):
        given, expected = p_value(won, lost), exact_p_value(won, lost)
        if given is None:
            raise Wrong("Your function returned None: is the `return` missing?")
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise Wrong(f"p_value must return a number, not {short(given)}.")
        if not math.isclose(given, expected, abs_tol=1e-9):
            raise Wrong(
                f"p_value({won}, {lost}) gave {given:.4g}, and it is {expected:.4g}. {_hint_p(won, lost, given)}"
            )
    return "Five wins without a loss may be luck (p = 0.0625); six are too many for a fair coin."


def _hint_p(won: int, lost: int, given: float) -> str:
    n = won + lost

    def tail(k: int) -> float:
        return sum(math.comb(n, i) for i in range(k, n + 1)) / 2**n

    if given > 1:
        return (
            "A probability is 1 at most: when the two halves overlap, doubling counts the middle twice; use min(1, …)."
        )
    if math.isclose(given, tail(max(won, lost)), abs_tol=1e-9):
        return "That is one side only: a split as uneven in the other direction would surprise as much, so double it."
    if math.isclose(given, 2 * tail(max(won, lost) + 1), abs_tol=1e-9):
        return "Splits *as* uneven count too: begin the sum at max(won, lost) itself."
    if math.isclose(given, min(1.0, 2 * tail(won)), abs_tol=1e-9):
        return "With more losses than wins the uneven side is the losses: begin at max(won, lost)."
    if math.isclose(given, math.comb(n, max(won, lost)) / 2**n, abs_tol=1e-9):
        return "That is the chance of exactly this split; add those of all that are more uneven."
    return "Add comb(n, k) / 2**n for k from max(won, lost) to n = won + lost, double it, and let 1 be the most."


# --- 4: the capstone ---


@exercise("4")
def exercise_4(verdict: str) -> str:
    """The verdict of the learner's own score, as `ift score` prints it."""
    said = {
        "beats the baseline": "Your data beat the baseline. The report says by how much, and how sure that is.",
        "no clear difference": "A result like any other, if the report says what was tried and what is still wrong.",
        "worse than the baseline": "Worth a report too: what did you expect, and what do the wrong answers share?",
    }
    if not isinstance(verdict, str) or verdict.strip() not in said:
        raise Wrong(f"{short(verdict)} is none of the three verdicts: {', '.join(said)}.")
    return said[verdict.strip()]
