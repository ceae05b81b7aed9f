"""prefix_tree.py and the layouts of a loss: less work, and the loss and the gradient of the plain version."""

from __future__ import annotations

import pytest
import torch
from tiny import make_tiny

from ift_lib.batching import Batch, batch_order, collate, in_order
from ift_lib.data import EMBEDDED, Example, load_examples
from ift_lib.encoding import EOT, IGNORE, Encoded, encode_example
from ift_lib.lora import LoRAConfig, add_lora
from ift_lib.loss import LossSum, plain_response_loss, response_loss
from ift_lib.model import GPT, LAYOUTS
from ift_lib.prefix_tree import prefix_tree
from ift_lib.templates import ALPACA, PHI3, Template
from ift_lib.training import TrainConfig, evaluate, make_optimizer

FAST = [layout for layout in LAYOUTS if layout != "padded"]


def loss_and_gradient(model: GPT, batch: Batch, layout: str | None) -> tuple[LossSum, list[torch.Tensor]]:
    """With `layout` None, of the version in the book."""
    model.zero_grad(set_to_none=True)
    model.layout = layout or "padded"
    loss = response_loss(model, batch) if layout else plain_response_loss(model, batch)
    (loss.total / max(loss.count, 1)).backward()
    return loss, [p.grad for p in model.parameters() if p.grad is not None]


def assert_same(model: GPT, batch: Batch, layout: str) -> None:
    plain, gradients = loss_and_gradient(model, batch, None)
    fast, fast_gradients = loss_and_gradient(model, batch, layout)
    assert fast.count == plain.count
    torch.testing.assert_close(fast.total, plain.total, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(fast_gradients, gradients, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def entries() -> list[Example]:
    return load_examples(EMBEDDED)[:1100]


@pytest.mark.parametrize(("template", "mask_prompt"), [(ALPACA, True), (ALPACA, False), (PHI3, True)])
def test_fifty_steps_have_the_loss_and_all_gradients_of_the_plain_version(
    entries: list[Example], template: Template, mask_prompt: bool
) -> None:
    """Bug: a token that several rows share is counted once, or its gradient is; seen in steps, not in one batch."""
    model = make_tiny()
    encoded = [encode_example(e, template) for e in entries]
    optimizer = make_optimizer(model, TrainConfig(lr=1e-3))
    order = batch_order([len(e) for e in encoded], 7, seed=1, epoch=0)
    rest = next(indices for indices in order if len(indices) < 7)  # 1,100 is no multiple of 7
    for indices in [*order[:49], rest]:
        batch = collate([encoded[i] for i in indices], mask_prompt=mask_prompt)
        for layout in FAST:
            assert_same(model, batch, layout)
        optimizer.step()


def test_two_runs_of_fifty_steps_stay_together(entries: list[Example]) -> None:
    """Bug: differences in rounding that add up to another model."""
    encoded = [encode_example(e, ALPACA) for e in entries[:400]]
    curves = []
    for layout in LAYOUTS:
        model = make_tiny()
        optimizer = make_optimizer(model, TrainConfig(lr=1e-3))
        curve = []
        for indices in batch_order([len(e) for e in encoded], 8, seed=1, epoch=0)[:50]:
            loss, _ = loss_and_gradient(model, collate([encoded[i] for i in indices]), layout)
            optimizer.step()
            curve.append(loss.mean)
        curves.append(curve)
    assert curves[0][-1] < curves[0][0] - 0.5
    for curve in curves[1:]:
        assert curve == pytest.approx(curves[0], rel=1e-5)


AWKWARD = {
    "one example": [[5, 6, 7, EOT]],
    "one token before the answer": [[5, EOT], [5, EOT]],
    "the same row twice": [[5, 6, 7, EOT], [5, 6, 7, EOT], [9, EOT]],
    "a row that begins another": [[5, 6, EOT], [5, 6, 7, 8, EOT]],
    "the same tokens after another beginning": [[5, 6, 7, 8, EOT], [4, 6, 7, 8, EOT]],
    "a token again and again": [[5, 5, 5, 5, EOT], [5, 5, EOT], [5, 5, 5, EOT]],
    "EOT in the middle": [[5, EOT, 7, EOT], [5, EOT, EOT, EOT]],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("mask_prompt", [True, False])
def test_awkward_batches(layout: str, name: str, mask_prompt: bool) -> None:
    """Bug: nodes are told apart by token and not by what came before, or padding by its id."""
    batch = collate([Encoded(tuple(ids), 1) for ids in AWKWARD[name]], mask_prompt=mask_prompt)
    assert_same(make_tiny(), batch, layout)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_without_a_graded_token(layout: str) -> None:
    """Bug: an empty row ends the run, or a batch of such rows alone has no gradient for other processes to add to."""
    inputs = torch.tensor([[5, 6, 7], [5, 6, 8], [9, 9, 9]])
    some = Batch(inputs, torch.tensor([[IGNORE] * 3, [IGNORE, 8, EOT], [IGNORE] * 3]), graded=2, tokens=9)
    assert_same(make_tiny(), some, layout)
    loss, gradients = loss_and_gradient(make_tiny(), Batch(inputs, torch.full((3, 3), IGNORE), 0, 9), layout)
    assert loss.total.item() == 0 and len(gradients) == len(list(make_tiny().parameters()))
    assert not any(g.any() for g in gradients)


def test_what_rows_share_is_computed_once(entries: list[Example]) -> None:
    """Bug: the tree shares nothing, or counts padding; 24 tokens of the Alpaca template are in every row."""
    batch = collate([encode_example(e, ALPACA) for e in entries[:8]], mask_prompt=False)
    shared, flat = (prefix_tree(batch.inputs, batch.targets, share=share) for share in (True, False))
    assert len(flat.ids) == batch.tokens == flat.weights.sum() == shared.weights.sum()
    assert len(shared.ids) <= batch.tokens - 7 * 24
    assert torch.equal(shared.ids[shared.rows][batch.targets != IGNORE], batch.inputs[batch.targets != IGNORE])


@pytest.mark.parametrize("lora", [False, True])
def test_dropout_falls_anew_on_every_row(lora: bool) -> None:
    """Bug: rows with one beginning all lose the same activations of it, so dropout regularises less than it says."""
    model = make_tiny(dropout=0.0 if lora else 0.5)
    if lora:
        add_lora(model, LoRAConfig(2, dropout=0.5))
        for name, p in model.named_parameters():
            if name.endswith("lora_B"):
                torch.nn.init.normal_(p)
    same = Encoded((5, 6, 7, 8, EOT), 1)
    seen: list[int] = []
    model.h[0].mlp.register_forward_hook(lambda module, args, out: seen.append(out.numel() // out.shape[-1]))
    for training in (True, False):
        model.train(training)
        response_loss(model, collate([same, same]))
    assert seen == [8, 4]


def test_evaluation_in_any_batches_is_the_same(entries: list[Example]) -> None:
    """Bug: the validation loss depends on which examples lie in a batch together."""
    model = make_tiny()
    encoded = [encode_example(e, ALPACA) for e in entries[:50]]
    losses = []
    for layout in LAYOUTS:
        model.layout = layout
        losses += [evaluate(model, in_order(encoded, size)).mean for size in (1, 7, 50)]
    assert losses == pytest.approx([losses[0]] * len(losses), rel=1e-6)


def test_too_long_a_row_is_refused() -> None:
    """Bug: positions past the context, which an embedding answers with an index error."""
    model = make_tiny()
    batch = collate([Encoded((*range(1, 200), EOT), 1)])
    for layout in LAYOUTS:
        model.layout = layout
        with pytest.raises(ValueError, match="199 tokens: the context of this model is 128"):
            response_loss(model, batch)
