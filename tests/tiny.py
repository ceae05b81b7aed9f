"""A tiny model, and what a process has had in memory. Its own module: scripts that tests start import it too."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from ift_lib.model import GPT, GPTConfig

TINY = GPTConfig(vocab_size=50257, n_positions=128, n_embd=16, n_layer=2, n_head=2)


def make_tiny(seed: int = 0, **changes: float) -> GPT:
    """A two-layer model with GPT-2's vocabulary. Larger weights than GPT-2's, so that mistakes show in the logits."""
    model = GPT(GPTConfig(**{**TINY.__dict__, **changes})).init_weights(torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(3) if p.ndim == 2 else p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(1)) / 10)
    return model


def peak_kib() -> int:
    """The most memory this process has had resident. (`ru_maxrss` begins with that of the process that started it.)"""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])
