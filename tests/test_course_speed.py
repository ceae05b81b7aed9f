"""Chapter 13: its checks accept the right answer and help with each wrong one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from learner import complaint
from torch import Tensor

from ift_lib.batching import collate
from ift_lib.course.checks import speed as checks
from ift_lib.encoding import EOT, Encoded
from ift_lib.prefix_tree import prefix_tree

Rows = list[list[int]]


def share(lengths: list[int]) -> float:
    return 1 - sum(lengths) / (len(lengths) * max(lengths))


def test_1_right_and_the_library_agrees() -> None:
    """Prevents a lesson on other padding than that of `collate`."""
    assert "One long row" in checks.exercise_1.__wrapped__(share)
    batch = collate([Encoded((*range(n), EOT), 1) for n in (5, 3, 2)])
    assert share([5, 3, 2]) == pytest.approx(1 - batch.tokens / batch.inputs.numel())


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda n: 1 - share(n), "the share of tokens"),
        (lambda n: len(n) * max(n) - sum(n), "how many places"),
        (lambda n: len(n) * max(n) / sum(n) - 1, "divide by all places"),
        (lambda n: 100 * share(n), "percentage"),
        (lambda n: 1 - min(n) / max(n), "the shortest row"),
        (lambda n: 0.7, "count the places"),
        (lambda n: None, "return"),
        (lambda n: [0.25], "one number"),
    ],
)
def test_1_each_wrong_way_has_its_hint(wrong: Callable[..., Any], hint: str) -> None:
    """Prevents a learner from being told "wrong" and nothing else."""
    assert hint in complaint(checks.exercise_1, wrong)


def mean(losses: Tensor, weights: Tensor) -> Tensor:
    return (losses * weights).sum() / weights.sum()


@pytest.mark.parametrize("right", [mean, lambda losses, weights: mean(losses, weights).item()])
def test_2_right(right: Callable[..., Any]) -> None:
    assert "once for each of its rows" in checks.exercise_2.__wrapped__(right)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda losses, weights: losses.mean(), "counts only once"),
        (lambda losses, weights: (losses * weights).sum(), "That is the sum;"),
        (lambda losses, weights: (losses * weights).mean(), "the number of edges"),
        (lambda losses, weights: losses.sum() / weights.sum(), "summed each edge only once"),
        (lambda losses, weights: losses.sum(), "each once"),
        (lambda losses, weights: (losses / weights).mean(), "not for less"),
        (lambda losses, weights: 0.0, "Multiply each loss"),
        (lambda losses, weights: None, "return"),
        (lambda losses, weights: losses * weights, "one number"),
    ],
)
def test_2_each_wrong_way_has_its_hint(wrong: Callable[..., Any], hint: str) -> None:
    """Prevents a mean over edges, right on most batches, from being accepted."""
    assert hint in complaint(checks.exercise_2, wrong)


def sorted_nodes(rows: Rows) -> int:
    """Another right way: in sorted order a row shares most with the one above it."""
    return checks.by_neighbours(sorted(rows))


@pytest.mark.parametrize("right", [checks.nodes, sorted_nodes])
def test_3_right(right: Callable[..., Any]) -> None:
    assert "all that was read" in checks.exercise_3.__wrapped__(right)


def test_3_the_library_agrees() -> None:
    """Prevents a lesson on another tree than that of `prefix_tree`."""
    rows = torch.randint(3, (20, 6), generator=torch.Generator().manual_seed(0)).tolist()
    batch = collate([Encoded((*row, EOT), 1) for row in rows], mask_prompt=False)
    assert len(prefix_tree(batch.inputs, batch.targets).ids) == checks.nodes(rows) == sorted_nodes(rows)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda rows: checks.nodes(rows) + 1, "empty beginning"),
        (lambda rows: sum(map(len, rows)), "every token of every row"),
        (lambda rows: len({i for row in rows for i in row}), "different ids"),
        (lambda rows: len({(t, i) for row in rows for t, i in enumerate(row)}), "place and id"),
        (lambda rows: len({p for row in rows for p in zip([None, *row], row, strict=False)}), "one token back"),
        (lambda rows: len({tuple(row) for row in rows}), "different rows"),
        (lambda rows: len({tuple(row[:end]) for row in rows for end in range(1, len(row))}), "one too early"),
        (checks.by_neighbours, "any earlier one"),
        (checks.common_to_all, "all rows have in common"),
        (lambda rows: 99, "List the beginnings"),
        (lambda rows: None, "return"),
        (lambda rows: [7], "one number"),
    ],
)
def test_3_each_wrong_way_has_its_hint(wrong: Callable[..., Any], hint: str) -> None:
    """Prevents nodes that are told apart by less than their whole beginning from being accepted."""
    assert hint in complaint(checks.exercise_3, wrong)
