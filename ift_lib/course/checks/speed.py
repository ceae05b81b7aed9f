"""Feedback on the exercises of chapter 13."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ift_lib.course.checks.feedback import Wrong, exercise, short

Rows = list[list[int]]


def _number(call: str, given: Any) -> float:
    """The answer as a number; `Wrong` if it is none."""
    if isinstance(given, Tensor) and given.numel() == 1:
        given = given.item()
    if given is None:
        raise Wrong(f"{call} gave None: is the `return` missing?")
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise Wrong(f"{call} gave {short(given)}; one number is wanted.")
    return float(given)


def _hint(known: Sequence[tuple[float, str]], given: float, otherwise: str) -> str:
    """What is said of a wrong number: the way that leads to it, if it is a known one."""
    return next((hint for value, hint in known if math.isclose(value, given, abs_tol=1e-6)), otherwise)


# --- 1: how much is padding? ---


@exercise("1")
def exercise_1(padding_share: Callable[[list[int]], float]) -> str:
    """`padding_share(lengths)`: places without a token, of all places."""
    for lengths in ([4, 2], [5, 3, 3, 1], [7, 7], [9]):
        call = f"padding_share({lengths})"
        given = _number(call, padding_share(list(lengths)))
        expected = 1 - sum(lengths) / (len(lengths) * max(lengths))
        if not math.isclose(given, expected, abs_tol=1e-6):
            raise Wrong(f"{call} is {expected:g}, and you gave {given:g}. {_hint_1(lengths, given)}")
    return "One long row makes places in all the others."


def _hint_1(lengths: list[int], given: float) -> str:
    places, tokens = len(lengths) * max(lengths), sum(lengths)
    known = [
        (tokens / places, "That is the share of tokens; padding is the rest."),
        (places - tokens, "That is how many places are padding; divide by how many there are."),
        ((places - tokens) / tokens, "You divided by the tokens; divide by all places."),
        (100 * (1 - tokens / places), "That is a percentage; a share lies between 0 and 1."),
        (1 - min(lengths) / max(lengths), "That is the padding of the shortest row; the others have some too."),
    ]
    return _hint(known, given, "All rows are as long as the longest; count the places, then those with a token.")


# --- 2: the mean of edges ---


@exercise("2")
def exercise_2(mean_loss: Callable[[Tensor, Tensor], Tensor | float]) -> str:
    """`mean_loss(losses, weights)`: each edge as often as rows run along it."""
    for a, b in (([1.0, 4.0], [2, 1]), ([2.0, 1.0, 0.5], [3, 1, 1]), ([1.5, 2.5], [1, 1]), ([2.0], [5])):
        losses, weights = torch.tensor(a), torch.tensor(b)
        call = f"mean_loss of the losses {a} and the weights {b}"
        given = _number(call, mean_loss(losses.clone(), weights.clone()))
        expected = ((losses * weights).sum() / weights.sum()).item()
        if not math.isclose(given, expected, abs_tol=1e-5):
            raise Wrong(f"{call} is {expected:g}, and you gave {given:g}. {_hint_2(losses, weights, given)}")
    return "The sum counts an edge once for each of its rows, and so does what it is divided by."


def _hint_2(losses: Tensor, weights: Tensor, given: float) -> str:
    found = [
        (losses.mean(), "That is the mean of the edges: one that many rows share counts only once."),
        ((losses * weights).sum(), "That is the sum; divide it by the number of graded tokens."),
        ((losses * weights).mean(), "You divided by the number of edges; there are more graded tokens than that."),
        (losses.sum() / weights.sum(), "You divided by the graded tokens, but summed each edge only once."),
        (losses.sum(), "That is the sum of the edges, each once; weigh them, then divide."),
        ((losses / weights).mean(), "A shared edge counts for more, not for less: multiply by its weight."),
    ]
    known = [(value.item(), hint) for value, hint in found]
    return _hint(known, given, "Multiply each loss by its weight, add up, divide by the sum of the weights.")


# --- 3: how many nodes? ---

TREES: list[Rows] = [
    [[1, 2, 3], [1, 2, 4], [5, 2, 3]],
    [[1, 2, 3], [4, 5], [1, 2, 6]],
    [[1, 2], [1, 2, 3], [1, 2]],
    [[7, 7, 7], [7, 7]],
    [[3, 1], [1, 3]],
    [],
]


@exercise("3")
def exercise_3(count_nodes: Callable[[Rows], int]) -> str:
    """`count_nodes(rows)`: the different beginnings of the rows."""
    given = [
        _number(f"count_nodes({rows})", count_nodes([list(row) for row in rows])) for rows in TREES
    ]  # all of them: one number alone does not tell the wrong ways apart
    for rows, answer in zip(TREES, given, strict=True):
        if answer != nodes(rows):
            hint = next((hint for way, hint in WRONG_WAYS if [way(rows) for rows in TREES] == given), "")
            otherwise = "List the beginnings of each row, from one token to all, and count different ones."
            raise Wrong(f"count_nodes({rows}) is {nodes(rows)}, and you gave {answer:g}. {hint or otherwise}")
    return "A node is all that was read so far; so many rows go through the blocks."


def nodes(rows: Rows) -> int:
    """The right answer of exercise 3."""
    return len({tuple(row[:end]) for row in rows for end in range(1, len(row) + 1)})


def common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two rows have in common at their beginnings."""
    return next((t for t, (i, j) in enumerate(zip(a, b, strict=False)) if i != j), min(len(a), len(b)))


def by_neighbours(rows: Rows) -> int:
    """What each row adds to the one above it: right for sorted rows only."""
    return sum(map(len, rows)) - sum(common(a, b) for a, b in pairwise(rows))


def common_to_all(rows: Rows) -> int:
    """The answer of who shares only what all rows have in common."""
    shared = min((common(rows[0], row) for row in rows), default=0)
    return sum(map(len, rows)) - shared * max(len(rows) - 1, 0)


WRONG_WAYS: list[tuple[Callable[[Rows], int], str]] = [
    (
        lambda rows: len({tuple(row[:end]) for row in rows for end in range(len(row) + 1)}),
        "One too many: do you count the empty beginning? It holds no token.",
    ),
    (lambda rows: nodes(rows) + 1, "One too many: do you count the empty beginning? It holds no token."),
    (lambda rows: sum(map(len, rows)), "That is every token of every row; a shared beginning counts once."),
    (
        lambda rows: len({i for row in rows for i in row}),
        "You count different ids; one id after two beginnings is two nodes.",
    ),
    (
        lambda rows: len({(t, i) for row in rows for t, i in enumerate(row)}),
        "You tell nodes apart by place and id; what came before counts too.",
    ),
    (
        lambda rows: len({pair for row in rows for pair in zip([None, *row], row, strict=False)}),
        "You look one token back; a node is told apart by all that came before.",
    ),
    (lambda rows: len({tuple(row) for row in rows}), "You count different rows; count their beginnings."),
    (
        lambda rows: len({tuple(row[:end]) for row in rows for end in range(1, len(row))}),
        "The whole row is a beginning too: does your range end one too early?",
    ),
    (by_neighbours, "You compare each row with the one above it; a row may share with any earlier one."),
    (common_to_all, "You share only what all rows have in common; what two of them share is enough."),
]
"""What is often counted instead, and what is said to it."""
