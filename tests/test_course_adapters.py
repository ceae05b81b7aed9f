"""Chapter 12: its checks accept the right answer and help with each wrong one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from learner import complaint
from torch import Tensor

from ift_lib.course.checks import adapters as checks
from ift_lib.lora import LoRAConfig, LoRALinear


def size(rank: int, shapes: list[tuple[int, int]]) -> int:
    return sum(rank * (a + b) for a, b in shapes)


def test_1_right_and_the_library_agrees() -> None:
    """Prevents a lesson on another adapter than LoRALinear's."""
    assert "sum of the two sides" in checks.exercise_1.__wrapped__(size)
    layer = LoRALinear(torch.nn.Linear(7, 5), LoRAConfig(3))
    assert layer.lora_A.numel() + layer.lora_B.numel() == size(3, [(5, 7)])


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda r, shapes: sum(a * b for a, b in shapes), "the matrices themselves"),
        (lambda r, shapes: sum(r * a * b for a, b in shapes), "two matrices"),
        (lambda r, shapes: sum(a + b for a, b in shapes), "rank 1"),
        (lambda r, shapes: sum(r * b for a, b in shapes), "B is missing"),
        (lambda r, shapes: sum(r * a for a, b in shapes), "A is missing"),
        (lambda r, shapes: r * sum(shapes[0]), "inside the loop"),
        (lambda r, shapes: 7, "For each shape"),
        (lambda r, shapes: None, "return"),
        (lambda r, shapes: [4], "a whole number is wanted"),
    ],
)
def test_1_each_wrong_way_has_its_hint(wrong: Callable[..., Any], hint: str) -> None:
    """Prevents a learner from being told "wrong" and nothing else."""
    assert hint in complaint(checks.exercise_1, wrong)


def begin(rank: int, n_in: int, n_out: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(rank, n_in, generator=generator), torch.zeros(n_out, rank)


def test_2_right() -> None:
    assert "zero" in checks.exercise_2.__wrapped__(begin)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda r, i, o, g: begin(r, i, o, g)[::-1], "The order"),
        (lambda r, i, o, g: (torch.randn(i, r, generator=g), torch.zeros(r, o)), "gave the shapes"),
        (lambda r, i, o, g: (torch.randn(r, i, generator=g), torch.ones(o, r)), "not zero"),
        (lambda r, i, o, g: (torch.zeros(r, i), torch.zeros(o, r)), "Both are zero"),
        (lambda r, i, o, g: (torch.zeros(r, i), torch.randn(o, r, generator=g)), "A is the random one"),
        (lambda r, i, o, g: (torch.ones(r, i), torch.zeros(o, r)), "one number many times"),
        (lambda r, i, o, g: (torch.randn(r, i), torch.zeros(o, r)), "same seed"),
        (
            lambda r, i, o, g: (torch.randn(r, i, generator=torch.Generator().manual_seed(0)), torch.zeros(o, r)),
            "seed nothing",
        ),
        (lambda r, i, o, g: None, "return"),
        (lambda r, i, o, g: torch.zeros(r, i), "two tensors"),
    ],
)
def test_2_each_wrong_way_has_its_hint(wrong: Callable[..., Any], hint: str) -> None:
    """Prevents a beginning that never learns, or is a damage, from being accepted."""
    assert hint in complaint(checks.exercise_2, wrong)


def by(change: int) -> Callable[[Tensor, float], int]:
    return lambda delta, share: checks.smallest_rank(delta, share) + change


def test_3_right() -> None:
    assert "squares" in checks.exercise_3.__wrapped__(checks.smallest_rank)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda delta, share: checks.smallest_rank(delta, share, power=1), "*squares*"),
        (by(-1), "One too low"),
        (by(1), "One too high"),
        (lambda delta, share: 1 if share < 0.7 else 99, "Square the singular values"),
        (lambda delta, share: -(-share * min(delta.shape) // 1), "equally strong"),
        (lambda delta, share: None, "return"),
        (lambda delta, share: 1.5, "a whole number"),
    ],
)
def test_3_each_wrong_way_has_its_hint(wrong: Callable[..., Any], hint: str) -> None:
    """Prevents singular values that are not squared, or a count off by one, from being accepted."""
    assert hint in complaint(checks.exercise_3, wrong)
