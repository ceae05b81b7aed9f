"""The output layer and its cross-entropy, without ever holding all logits, and with their gradient made in their place.

    logits     = x @ weight.T                        (N, V)  the widest matrix of the model
    loss       = log(sum(exp(logits))) - logits[target]
    d logits   = exp(logits) / sum - onehot(target)          needs nothing but the logits themselves

Left to autograd, each step of this keeps a matrix as wide as the vocabulary until the backward pass. But the loss is
the last thing a model computes: its gradient is known as soon as the loss is, and then the logits are not needed any
more (Hsu et al. 2024, "Liger Kernel", calls this FusedLinearCrossEntropy).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_LOGITS = 512
"""Rows of logits that are made at a time: 100 MB in fp32."""


class Tie:
    """Lets the embedding's gradient as input be added, in place, to its gradient as output layer.

    Each is a use of the same weight, and autograd would add the two up in a third matrix as large as the embedding. The
    backward pass runs from the end: the output layer leaves its gradient here, and the input layer returns them both.
    """

    gradient: Tensor | None = None


def tied_embedding(ids: Tensor, weight: Tensor, tie: Tie) -> Tensor:
    """`F.embedding(ids, weight)`: token ids (…) -> (…, C), for a loss that gets the same `tie`."""
    return _TiedEmbedding.apply(ids, weight, tie)


class _TiedEmbedding(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ids: Tensor, weight: Tensor, tie: Tie) -> Tensor:
        ctx.ids, ctx.tie = ids, tie
        return F.embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        both, ctx.tie.gradient = ctx.tie.gradient, None
        return None, both.index_add_(0, ctx.ids.flatten(), gradient.flatten(0, -2)), None


def summed_cross_entropy(
    x: Tensor, weight: Tensor, targets: Tensor, times: Tensor | None = None, tie: Tie | None = None
) -> Tensor:
    """The sum of -log p(target) in fp32: hidden states (N, C), embedding (V, C), targets (N,) -> a scalar.

    `times` (N,) says how often each counts; without it, once. `tie` is that of `tied_embedding`, if x comes from it.
    """
    times = torch.ones_like(targets) if times is None else times
    if torch.is_grad_enabled():
        # In bf16 the embedding's gradient would be copied twice: on a CPU that takes longer than it saves.
        with fp32_on_cpu():
            return _SummedCrossEntropy.apply(x, weight, targets, times, tie)
    total = x.new_zeros((), dtype=torch.float32)
    for states, wanted, counts in _pieces(x, targets, times):
        total += (F.cross_entropy(F.linear(states, weight).float(), wanted, reduction="none") * counts).sum()
    return total


class _SummedCrossEntropy(torch.autograd.Function):
    """`summed_cross_entropy` with its gradient, computed in the forward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, targets: Tensor, times: Tensor, tie: Tie | None) -> Tensor:
        total = x.new_zeros((), dtype=torch.float32)
        dx, dweight = [], None
        for states, wanted, counts in _pieces(x, targets, times):
            wanted = wanted[:, None]
            logits = F.linear(states, weight).float()
            largest, at_target = logits.amax(1, keepdim=True), logits.gather(1, wanted)
            e = logits.sub_(largest).exp_()  # the logits are gone; no exp() of more than 0
            sums = e.sum(1, keepdim=True)
            total += ((largest + sums.log() - at_target)[:, 0] * counts).sum()
            # d logits = counts / sums * (e - sums * onehot): the factor of a row is left for the narrow matrices.
            e.scatter_add_(1, wanted, -sums)
            factor = counts[:, None] / sums
            dx.append(((e @ weight) * factor).to(x.dtype))
            if ctx.needs_input_grad[1]:
                part = (e.T @ (states * factor)).to(weight.dtype)
                dweight = part if dweight is None else dweight.add_(part)
        ctx.gradients, ctx.tie = (torch.cat(dx), dweight), tie
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.gradients is None:
            raise RuntimeError("backward a second time: this loss has given its gradient away; compute the loss again")
        (dx, dweight), ctx.gradients = ctx.gradients, None
        if dweight is None:
            return dx.mul_(gradient), None, None, None, None
        dweight.mul_(gradient)
        if ctx.tie is not None:
            ctx.tie.gradient, dweight = dweight, None
        return dx.mul_(gradient), dweight, None, None, None


def _pieces(*tensors: Tensor) -> zip[tuple[Tensor, ...]]:
    return zip(*(t.split(MOST_LOGITS) for t in tensors), strict=True)


def fp32_on_cpu() -> torch.autocast:
    """Inside, a CPU computes in the precision of what it is given, also where `autocast` asks for bf16 around it."""
    return torch.autocast("cpu", enabled=False)
