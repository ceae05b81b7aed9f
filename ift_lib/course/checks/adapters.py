"""Feedback on the exercises of chapter 12."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ift_lib.course.checks.feedback import Wrong, exercise, short

Shapes = list[tuple[int, int]]


def _whole(call: str, given: Any) -> int:
    """The answer as a whole number; `Wrong` if it is none."""
    if isinstance(given, Tensor) and given.numel() == 1:
        given = given.item()
    if given is None:
        raise Wrong(f"{call} gave None: is the `return` missing?")
    if isinstance(given, bool) or not isinstance(given, (int, float)) or given != int(given):
        raise Wrong(f"{call} gave {short(given)}; a whole number is wanted.")
    return int(given)


# --- 1: how many numbers? ---


@exercise("1")
def exercise_1(adapter_size: Callable[[int, Shapes], int]) -> str:
    """`adapter_size(rank, shapes)`: rank * (out + in), added up."""
    tries: list[tuple[int, Shapes]] = [(2, [(6, 8), (4, 4)]), (3, [(5, 7)]), (1, [(2, 9), (9, 2), (3, 3)]), (4, [])]
    for rank, shapes in tries:
        call = f"adapter_size({rank}, {shapes})"
        given = _whole(call, adapter_size(rank, list(shapes)))
        expected = sum(rank * (a + b) for a, b in shapes)
        if given != expected:
            raise Wrong(f"{call} is {expected}, and you gave {given}. {_hint_1(rank, shapes, given)}")
    return "It grows with the sum of the two sides; the matrix itself grows with their product."


def _hint_1(rank: int, shapes: Shapes, given: int) -> str:
    known = {
        sum(a * b for a, b in shapes): "That is the size of the matrices themselves.",
        sum(rank * a * b for a, b in shapes): "A and B are two matrices: add their sizes, rank x in and out x rank.",
        sum(a + b for a, b in shapes): "That is rank 1: each of the two has `rank` such rows or columns.",
        sum(rank * b for _, b in shapes): "That is A alone; B is missing.",
        sum(rank * a for a, _ in shapes): "That is B alone; A is missing.",
    }
    if shapes and given == rank * sum(shapes[0]):
        return "That is the first matrix alone: does the `return` stand inside the loop?"
    return known.get(given, "For each shape (out, in): A has rank x in numbers, B has out x rank.")


# --- 2: how they begin ---

Start = Callable[[int, int, int, torch.Generator], tuple[Tensor, Tensor]]


@exercise("2")
def exercise_2(start: Start) -> str:
    """`start(rank, n_in, n_out, generator)`: A random, B zero."""
    rank, n_in, n_out = 3, 7, 5
    first, again, other = (start(rank, n_in, n_out, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    for given in (first, again, other):
        if given is None:
            raise Wrong("start gave None: is the `return` missing?")
        if not (isinstance(given, (tuple, list)) and len(given) == 2 and all(isinstance(t, Tensor) for t in given)):
            raise Wrong(f"start must return two tensors, A and B, and gave {short(given)}.")
    A, B = first
    if (A.shape, B.shape) == ((n_out, rank), (rank, n_in)):
        raise Wrong("The order is A, then B: A is (rank, n_in) and comes first.")
    if (A.shape, B.shape) != ((rank, n_in), (n_out, rank)):
        raise Wrong(
            f"start({rank}, {n_in}, {n_out}, generator) gave the shapes {tuple(A.shape)} and {tuple(B.shape)}; "
            f"A is (rank, n_in) = {(rank, n_in)}, B is (n_out, rank) = {(n_out, rank)}."
        )
    if (B @ A).abs().max() > 0:
        raise Wrong("B @ A is not zero: the model would begin with a damage that nobody trained.")
    if not A.any() and not B.any():
        raise Wrong("Both are zero, and neither will ever get a gradient. Draw A at random.")
    if not A.any():
        raise Wrong("That would learn too, but here A is the random one and B is zero, as in the paper.")
    if A.unique().numel() < A.numel() // 2:
        raise Wrong("A holds one number many times. Then all its rows learn the same: draw it at random.")
    if not torch.equal(A, again[0]):
        raise Wrong("Two generators with the same seed gave two A: draw from the generator that is given.")
    if torch.equal(A, other[0]):
        raise Wrong("Generators with other seeds gave the same A: draw from the one that is given, and seed nothing.")
    return "The product is zero, and B gets a gradient at the first step; from the second on, A does too."


# --- 3: how high a rank? ---


@exercise("3")
def exercise_3(rank_for: Callable[[Tensor, float], int]) -> str:
    """`rank_for(delta, share)`: the smallest rank that keeps `share` of the squared size."""
    generator = torch.Generator().manual_seed(3)
    turned = torch.linalg.qr(torch.randn(6, 6, generator=generator))[0]
    wide = turned[:, :4] @ torch.diag(torch.tensor([5.0, 3.0, 2.0, 1.0])) @ torch.linalg.qr(
        torch.randn(9, 4, generator=generator)
    )[0].T  # fmt: skip
    plain = torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.0]))
    for name, delta in (
        ("the diagonal matrix 3, 2, 1, 0", plain),
        ("a 6 x 9 matrix with singular values 5, 3, 2, 1", wide),
    ):
        for share in (0.1, 0.6, 0.75, 0.9, 0.97, 1.0):
            given = _whole(f"rank_for({name}, {share})", rank_for(delta.clone(), share))
            expected = smallest_rank(delta, share)
            if given != expected:
                raise Wrong(
                    f"For {name}, keeping {share:.0%} needs rank {expected}, and you gave {given}. "
                    f"{_hint_3(delta, share, given)}"
                )
    return "A rank is enough when the squares of the singular values that it keeps are."


def smallest_rank(delta: Tensor, share: float, power: int = 2) -> int:
    """The right answer of exercise 3; with `power` 1, that of who forgets to square."""
    sizes = torch.linalg.svdvals(delta) ** power
    return int((sizes.cumsum(0) / sizes.sum() < share - 1e-6).sum()) + 1


def _hint_3(delta: Tensor, share: float, given: int) -> str:
    if given == smallest_rank(delta, share) - 1:
        return "One too low: with so many singular values the share is not yet reached."
    if given == smallest_rank(delta, share, power=1):
        return "The squared size is the sum of the *squares* of the singular values."
    if given == smallest_rank(delta, share) + 1:
        return "One too high: the rank before it already keeps that share."
    if given == math.ceil(share * min(delta.shape)):
        return "That would be right if all directions were equally strong; the first ones are stronger."
    return "Square the singular values, add them up from the largest on, and stop where the sum is `share` of all."
