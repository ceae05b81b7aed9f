"""The loss on graded tokens only, as a sum that travels with its count.

    targets   -100  -100  -100   r1   r2  EOT  -100     sum of -log p over the three graded, and the count 3

Whoever adds up several batches (accumulation, evaluation, many processes) adds sums and counts and divides once.
A mean of means would weigh a token in a short response more than one in a long response.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from ift_lib.batching import Batch
from ift_lib.encoding import IGNORE
from ift_lib.model import GPT


@dataclass(frozen=True)
class LossSum:
    """`total`: summed cross-entropy in nats, a scalar tensor (with its graph when training); `count`: graded tokens."""

    total: Tensor
    count: int

    def __add__(self, other: LossSum) -> LossSum:
        return LossSum(self.total + other.total, self.count + other.count)

    @property
    def mean(self) -> float:
        """Nats per graded token; NaN when nothing was graded."""
        return self.total.item() / self.count if self.count else float("nan")


def plain_response_loss(model: GPT, batch: Batch) -> LossSum:
    """Logits everywhere, cross-entropy where graded: the version to understand. Batch (B, T) -> LossSum."""
    logits = model(batch.inputs)  # (B, T, V)
    total = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE, reduction="sum")
    return LossSum(total, batch.graded)


def response_loss(model: nn.Module, batch: Batch) -> LossSum:
    """The same value and gradient with less work: the version that trains. Batch (B, T) -> LossSum.

    The model itself computes the loss, and leaves out what changes nothing: padding, logits that nobody grades, and
    all but one copy of a beginning that rows share (`prefix_tree.py`; `GPT.layout` chooses).
    """
    return LossSum(model(batch.inputs, targets=batch.targets), batch.graded)
