"""The loss that trains is the loss of the book, in less memory."""

from __future__ import annotations

import pytest
import torch
from tiny import make_tiny

from ift_lib import cross_entropy
from ift_lib.batching import Batch
from ift_lib.encoding import IGNORE
from ift_lib.loss import plain_response_loss, response_loss
from ift_lib.model import GPT


def make_batch(model: GPT, rows: int, length: int) -> Batch:
    """Random tokens, a third of them graded."""
    generator = torch.Generator().manual_seed(rows * 1000 + length)
    inputs = torch.randint(0, model.config.vocab_size, (rows, length), generator=generator)
    targets = torch.randint(0, model.config.vocab_size, (rows, length), generator=generator)
    targets[torch.rand(rows, length, generator=generator) > 1 / 3] = IGNORE
    targets[0, 0] = 1
    return Batch(inputs, targets, graded=int((targets != IGNORE).sum()), tokens=rows * length)


@pytest.mark.parametrize("most", [1, 7, 512])
@pytest.mark.parametrize(("rows", "length"), [(1, 1), (3, 7), (5, 16)])
def test_logits_in_pieces_give_the_same_loss_and_gradient(
    monkeypatch: pytest.MonkeyPatch, most: int, rows: int, length: int
) -> None:
    """Bug: a piece is lost or counted twice, or its gradient is, when the graded rows are no multiple of the size."""
    monkeypatch.setattr(cross_entropy, "MOST_LOGITS", most)
    model = make_tiny()
    batch = make_batch(model, rows, length)
    results = []
    for loss in (plain_response_loss, response_loss):
        model.zero_grad()
        result = loss(model, batch)
        result.total.backward()
        results.append((result, [p.grad.clone() for p in model.parameters()]))
    (plain, plain_gradients), (fast, fast_gradients) = results
    assert fast.count == plain.count
    torch.testing.assert_close(fast.total, plain.total, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(fast_gradients, plain_gradients, rtol=1e-5, atol=1e-5)


def test_the_logits_are_never_there_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: a batch of long answers takes gigabytes for logits, and a run that fitted for hours ends."""
    monkeypatch.setattr(cross_entropy, "MOST_LOGITS", 8)
    largest = 0

    def pack(t: torch.Tensor) -> torch.Tensor:
        nonlocal largest
        if t.ndim == 2 and t.shape[1] == model.config.vocab_size:
            largest = max(largest, t.shape[0])
        return t

    model = make_tiny()
    batch = make_batch(model, 5, 16)
    assert batch.graded > 8
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        response_loss(model, batch).total.backward()
    assert largest <= 8
