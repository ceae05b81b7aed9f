"""Low-rank adapters, LoRA (Hu et al. 2021): train a small correction beside each frozen matrix.

    y = x Wᵀ + b  +  scale · (x Aᵀ) Bᵀ        W (out, in) frozen
                                              A (rank, in), B (out, rank) trained, scale = alpha / rank

B begins at zero, so nothing changes at first. B A has the shape of W and at most the rank `rank`: added to W once
training is over, it costs nothing when the model is used. `adapters.py` writes A and B as `peft` does, and reads them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ift_lib.errors import InputError
from ift_lib.model import GPT, GPTConfig


@dataclass(frozen=True)
class LoRAConfig:
    """Which matrices get an adapter, and of what size."""

    rank: int = 8
    """Rows of A, columns of B."""
    alpha: float | None = None
    """The correction is multiplied by alpha / rank; None means 2 * rank, so by 2."""
    targets: tuple[str, ...] = ("c_attn", "c_proj", "c_fc")
    """Names of linear layers, or their ends: "c_proj" is both, "attn.c_proj" and "mlp.c_proj"."""
    dropout: float = 0.0
    """Share of an adapter's inputs set to 0 while training."""

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise InputError(f"rank {self.rank}: must be at least 1; 8 is usual")
        if self.alpha is not None and not 0 < self.alpha < math.inf:
            raise InputError(f"alpha {self.alpha}: must be a number above 0; twice the rank is usual")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout {self.dropout}: must be at least 0 and below 1")
        if not self.targets:
            raise InputError("targets: none given, so nothing would be trained; name layers, such as c_attn")

    @property
    def scale(self) -> float:
        """What the correction is multiplied by."""
        return 2.0 if self.alpha is None else self.alpha / self.rank


class LoRALinear(nn.Module):
    """A frozen linear layer and its low-rank correction."""

    def __init__(self, base: nn.Linear, config: LoRAConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.base, self.config, self.dropout = base, config, nn.Dropout(config.dropout)
        bound = base.in_features**-0.5  # as nn.Linear begins; peft's choice too
        a = torch.empty(config.rank, base.in_features).uniform_(-bound, bound, generator=generator)
        self.lora_A = nn.Parameter(a.to(base.weight))
        self.lora_B = nn.Parameter(base.weight.new_zeros(base.out_features, config.rank))

    def forward(self, x: Tensor) -> Tensor:
        """x (…, in) -> (…, out), by way of (…, rank)."""
        small = self.dropout(x) @ self.lora_A.T
        return self.base(x) + self.config.scale * (small @ self.lora_B.T)

    @torch.no_grad()
    def merge(self) -> nn.Linear:
        """The one linear layer that computes the same; the base itself, changed in place."""
        self.base.weight += self.config.scale * (self.lora_B @ self.lora_A)
        return self.base


def add_lora(model: GPT, config: LoRAConfig = LoRAConfig(), generator: torch.Generator | None = None) -> GPT:
    """Freeze the model and give every target layer an adapter, in place; returns the model, whose answers are the same.

    `generator` (on the CPU) draws A. Raises InputError for a target that names no linear layer, and when there are
    adapters already.
    """
    if any(lora_layers(model)):
        raise InputError("this model has adapters already; merge_lora(model) first")
    names = target_layers(model, config)
    model.requires_grad_(False)
    for name in names:
        _replace(model, name, LoRALinear(model.get_submodule(name), config, generator))  # type: ignore[arg-type]
    return model


def merge_lora(model: GPT) -> GPT:
    """Add every correction to its matrix, in place; returns the model, a plain GPT again, all of it trainable."""
    for name, layer in list(lora_layers(model)):
        _replace(model, name, layer.merge())
    model.requires_grad_(True)
    return model


def lora_layers(model: GPT) -> Iterator[tuple[str, LoRALinear]]:
    """The layers that have an adapter, with their names."""
    return ((name, layer) for name, layer in model.named_modules() if isinstance(layer, LoRALinear))


def target_layers(model: GPT, config: LoRAConfig) -> list[str]:
    """The names of the layers that `config` means. Raises InputError for a target that means none."""
    linear = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    wanted = [[name for name in linear if f".{name}".endswith(f".{target}")] for target in config.targets]
    if unknown := [target for target, found in zip(config.targets, wanted, strict=True) if not found]:
        ends = sorted({name.rpartition(".")[2] for name in linear})
        raise InputError(
            f"targets {', '.join(unknown)}: no such linear layer in this model; there are {', '.join(ends)}"
        )
    chosen = {name for found in wanted for name in found}
    return [name for name in linear if name in chosen]


def _replace(model: GPT, name: str, layer: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, layer)


# --- what it costs ---


def lora_parameter_count(model: GPTConfig, config: LoRAConfig = LoRAConfig()) -> int:
    """Numbers that would be trained: rank * (in + out) for each target.

    >>> lora_parameter_count(GPTConfig(), LoRAConfig(rank=8, targets=("c_attn",)))  # 12 layers, 8 * (768 + 2304)
    294912
    """
    with torch.device("meta"):  # shapes without numbers
        gpt = GPT(model)
    layers: list[nn.Linear] = [gpt.get_submodule(name) for name in target_layers(gpt, config)]  # type: ignore[misc]
    return sum(config.rank * (layer.in_features + layer.out_features) for layer in layers)


def trainable_parameter_count(model: nn.Module) -> int:
    """Numbers that the optimizer will change."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def training_bytes(model: nn.Module) -> dict[str, int]:
    """Bytes that training holds whatever the batch: all weights; gradients and AdamW's two means of what is trained."""
    size = {kind: sum(p.nbytes for p in model.parameters() if p.requires_grad or kind == "weights")
            for kind in ("weights", "gradients")}  # fmt: skip
    return size | {"moments": 2 * size["gradients"]}
