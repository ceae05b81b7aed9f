"""tools/pretrain_pocket.py: the parts whose mistakes a loss curve would hide."""

from __future__ import annotations

import importlib
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
tool = importlib.import_module("pretrain_pocket")

V, C, N = 60, 8, 40


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hidden states, embeddings and targets; ten frequent tokens, the others rare."""
    monkeypatch.setattr(tool, "FREQUENT", 10)
    g = torch.Generator().manual_seed(0)
    return torch.randn(N, C, generator=g), torch.randn(V, C, generator=g), torch.randint(V, (N,), generator=g)


def counts() -> np.ndarray:
    return np.arange(V, 0, -1)


def test_with_every_token_drawn_it_is_the_full_softmax(
    case: tuple[torch.Tensor, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents targets looked up in the wrong column."""
    hidden, wte, targets = case
    monkeypatch.setattr(tool, "TAIL", 5000)  # with repeats: all of the fifty
    loss = tool.SampledSoftmax(counts(), torch.device("cpu"))(hidden, wte, targets, torch.Generator().manual_seed(1))
    assert loss.item() == pytest.approx(F.cross_entropy(hidden @ wte.T, targets).item(), rel=1e-5)


def test_a_sample_estimates_the_full_softmax(case: tuple[torch.Tensor, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents leaving out the correction: the loss would be too low, and rare tokens hardly pushed down."""
    hidden, wte, targets = case
    monkeypatch.setattr(tool, "TAIL", 12)
    loss_of, g = tool.SampledSoftmax(counts(), torch.device("cpu")), torch.Generator().manual_seed(1)
    few = targets[:2]  # few rows, so that the sample and not the batch's own targets makes up the tail
    losses = [loss_of(hidden[:2] / 3, wte, few, g).item() for _ in range(400)]
    full = F.cross_entropy(hidden[:2] / 3 @ wte.T, few).item()
    assert np.mean(losses) == pytest.approx(full, abs=0.15)


def test_the_rate_can_be_lengthened_before_it_falls() -> None:
    """Prevents a schedule that depends on the length of the run before the fall, so that no run could be continued."""
    assert [tool.rate(s, 1000) for s in (0, 49, 599)] == [tool.rate(s, 2000) for s in (0, 49, 599)] == [0.02, 1.0, 1.0]
    assert tool.rate(800, 1000) == pytest.approx(0.5) and tool.rate(999, 1000) == pytest.approx(0.0025)


def test_drills_say_things_twice() -> None:
    """Prevents drills that teach nothing about copying."""
    words = [f"word{a}{b}" for a in "abcdef" for b in "abcdef"]
    [first, *_] = tool.drills(["The cat sleeps."], words, 100, random.Random(0))
    for piece in first.split("\n\n"):
        assert piece.count("The cat sleeps.") == 2 or any(piece.count(w) == 2 for w in words), piece
