"""What several test files share: a tiny model, a few examples, the real data where it is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ift_lib.data import Example
from ift_lib.model import GPT, GPTConfig

REAL_DATA = Path(__file__).parents[2] / "shared" / "data" / "instruction-data.json"
"""The 1,100 entries of the book; beside the repository on some machines, never part of it."""

TINY = GPTConfig(vocab_size=50257, n_positions=128, n_embd=16, n_layer=2, n_head=2)


def make_tiny(seed: int = 0, **changes: float) -> GPT:
    """A two-layer model with GPT-2's vocabulary. Larger weights than GPT-2's, so that mistakes show in the logits."""
    model = GPT(GPTConfig(**{**TINY.__dict__, **changes})).init_weights(torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(3) if p.ndim == 2 else p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(1)) / 10)
    return model


@pytest.fixture
def tiny() -> GPT:
    return make_tiny()


@pytest.fixture
def examples() -> list[Example]:
    """Twenty-four short examples of unequal length, half of them with an input."""
    fruits = "apple pear plum cherry lemon melon fig grape".split()
    return [
        Example(
            f"Say the word {fruit} {'very ' * (i % 5)}nicely, {times} times.",
            f"The word is {fruit}." if i % 2 else "",
            ", ".join([fruit] * times),
            "saying",
        )
        for times in (1, 2, 4)
        for i, fruit in enumerate(fruits)
    ]


@pytest.fixture
def real_data() -> Path:
    if not REAL_DATA.exists():
        pytest.skip("the book's 1,100 entries are not beside this checkout")
    return REAL_DATA
