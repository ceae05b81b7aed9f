"""The loss that trains is the loss of the book, in less memory."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
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


@pytest.mark.parametrize("graded", [True, False])
def test_in_bf16_the_loss_is_still_added_up_in_fp32(monkeypatch: pytest.MonkeyPatch, graded: bool) -> None:
    """Bug: under autocast the sum is made by an operation that autocast rounds, and is off by as much as bf16 is."""
    monkeypatch.setattr(cross_entropy, "fp32_on_cpu", nullcontext)  # as on a GPU, where the products are in bf16
    generator = torch.Generator().manual_seed(0)
    weight = (torch.randn(1000, 32, generator=generator) / 5).requires_grad_()
    x, targets = torch.randn(700, 32, generator=generator), torch.randint(0, 1000, (700,), generator=generator)
    times = torch.randint(1, 4, (700,), generator=generator)
    exact = (F.cross_entropy(x @ weight.T, targets, reduction="none") * times).sum()
    with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(graded):
        total = cross_entropy.summed_cross_entropy(x, weight, targets, times)
    assert total.item() == pytest.approx(exact.item(), rel=1e-4)
    if graded:
        (expected,), (gradient,) = (torch.autograd.grad(t, weight) for t in (exact, total))
        assert gradient.dtype == torch.float32 and (gradient - expected).norm() < 0.01 * expected.norm()


def test_losses_can_be_added_before_the_backward_pass() -> None:
    """Bug: of several losses in one graph, only one embedding's gradient as input layer arrives."""
    model = make_tiny()
    batches = [make_batch(model, 5, 16), make_batch(model, 3, 7), make_batch(model, 1, 1)]
    gradients = []
    for loss in (plain_response_loss, response_loss):
        model.zero_grad()
        sum(loss(model, batch).total for batch in batches).backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)


def test_a_second_backward_is_refused() -> None:
    """Bug: the same loss gives another gradient the second time, because the first was changed in place."""
    model = make_tiny()
    total = response_loss(model, make_batch(model, 3, 7)).total
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="compute the loss again"):
        total.backward()


@pytest.mark.filterwarnings("default")  # the compiler's own
def test_the_loss_is_the_same_compiled() -> None:
    """Bug: `--compile` fails on the loss's own backward pass, or loses the embedding's gradient."""
    model = make_tiny()
    batch = make_batch(model, 5, 16)
    gradients = []
    for trained in (model, torch.compile(model, backend="aot_eager")):
        model.zero_grad()
        response_loss(trained, batch).total.backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)
