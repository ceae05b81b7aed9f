"""How to train: every setting that decides the outcome, and the learning rate that follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ift_lib.errors import InputError


@dataclass(frozen=True)
class TrainConfig:
    """How to train. The defaults suit the pocket model; OpenAI's sizes want a rate of about 5e-5."""

    epochs: int = 3
    """Most passes over the training set; early stopping may end sooner."""
    batch_size: int = 16
    """Examples in an optimizer step, of all processes together."""
    micro_batch_size: int | None = None
    """Examples in the memory of a process at a time; None: its share, on a CPU up to MOST_TOKENS (training.py)."""
    lr: float = 3e-4
    """Highest learning rate, reached after the warm-up."""
    warmup: float = 0.05
    """Share of all steps over which the rate rises from 0; it then falls to a tenth along a cosine."""
    weight_decay: float = 0.1
    """AdamW's decay, on matrices and embeddings only."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    mask_prompt: bool = True
    """Grade the response only."""
    evals_per_epoch: int = 2
    """Evaluations on the validation split in each epoch; one more comes before the first step."""
    patience: int = 3
    """Stop after so many evaluations without a lower validation loss."""
    seed: int = 123
    """Decides the order of the examples, and dropout."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "evals_per_epoch", "patience"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: must be at least 1")
        if self.micro_batch_size is not None and not 1 <= self.micro_batch_size <= self.batch_size:
            raise InputError(
                f"micro_batch_size={self.micro_batch_size}: must be from 1 to batch_size={self.batch_size}"
            )
        for name in ("lr", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name}={getattr(self, name)}: must be a number above 0")
        if not 0 <= self.warmup < 1:
            raise InputError(f"warmup={self.warmup}: must be at least 0 and below 1")
        if not 0 <= self.weight_decay < math.inf:
            raise InputError(f"weight_decay={self.weight_decay}: must be at least 0")


def learning_rate(step: int, steps: int, config: TrainConfig) -> float:
    """The rate of step 0 .. steps - 1: linear warm-up, then a cosine from lr to lr / 10 (as Brown et al. 2020)."""
    warm = max(1, round(config.warmup * steps))
    if step < warm:
        return config.lr * (step + 1) / warm
    progress = (step - warm) / max(1, steps - 1 - warm)
    return config.lr * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress)))
