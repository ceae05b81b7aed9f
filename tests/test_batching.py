"""batching.py: pad, shift, mask; and the order of batches."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from ift_lib.batching import batch_order, collate, in_order, too_long
from ift_lib.data import EMBEDDED, load_examples
from ift_lib.encoding import EOT, IGNORE, Encoded, decode, encode_example, get_tokenizer
from ift_lib.errors import InputError
from ift_lib.templates import ALPACA, TEMPLATES, Template


def book_collate(rows: list[list[int]], max_length: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """The rule of the book's chapter 7, in our words.

    Append an EOT to each row and pad with more of them to one longer than the longest; inputs are all but the last
    token, targets all but the first; of a row's EOT targets only the first counts.
    """
    width = max(len(row) for row in rows) + 1
    inputs, targets = [], []
    for row in rows:
        padded = torch.tensor(row + [50256] * (width - len(row)))
        target = padded[1:].clone()
        ends = (target == 50256).nonzero().flatten()
        target[ends[1:]] = -100
        inputs.append(padded[:-1][:max_length])
        targets.append(target[:max_length])
    return torch.stack(inputs), torch.stack(targets)


@pytest.mark.parametrize("max_length", [None, 60])
@pytest.mark.parametrize("which", ["embedded", "real"])
def test_batches_equal_the_books(which: str, max_length: int | None, request: pytest.FixtureRequest) -> None:
    """Prevents a collate that differs from the one the course descends from, on any entry."""
    examples = (
        load_examples(EMBEDDED)[:1000] if which == "embedded" else load_examples(request.getfixturevalue("real_data"))
    )
    # The book encodes prompt and response as one text, and its collate appends the EOT.
    joint = get_tokenizer().encode_ordinary_batch(["".join(ALPACA.render(e)) for e in examples])
    encoded = [encode_example(e, ALPACA) for e in examples]
    for at in range(0, len(encoded), 8):
        inputs, targets = book_collate(joint[at : at + 8], max_length)
        batch = collate(encoded[at : at + 8], mask_prompt=False, max_length=max_length)
        assert torch.equal(batch.inputs, inputs) and torch.equal(batch.targets, targets), at


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=list(TEMPLATES))
def test_graded_tokens_are_the_response(template: Template) -> None:
    """Traps 3 and 6. Prevents masking the EOT away (the model never stops), or a mask that is one token off."""
    examples = load_examples(EMBEDDED)[:800]
    for at in range(0, len(examples), 16):
        batch = collate([encode_example(e, template) for e in examples[at : at + 16]])
        for example, row in zip(examples[at : at + 16], batch.targets, strict=True):
            graded = row[row != IGNORE].tolist()
            assert graded[-1] == EOT
            assert get_tokenizer().decode(graded[:-1]) == template.response(example)


def test_graded_tokens_of_the_real_entries(real_data: Path) -> None:
    """Traps 3 and 6, on the 1,100 entries of the book."""
    for example in load_examples(real_data):
        row = collate([encode_example(example, ALPACA)]).targets[0]
        assert decode(row[row != IGNORE].tolist()) == example.output
        assert row[-1] == EOT


def test_counts_are_of_the_tensors() -> None:
    """Trap 2. Prevents a loss divided by another number than that of the targets it summed."""
    batch = collate([Encoded((5, 6, 7, 8, EOT), 3), Encoded((5, 8, EOT), 1)])
    assert batch.graded == int((batch.targets != IGNORE).sum()) == 4
    assert batch.tokens == 6


def test_padding_beyond_the_batch() -> None:
    """Prevents fixed-width batches (for compiled models) from changing what is graded."""
    rows = [Encoded((5, 6, 7, EOT), 2), Encoded((5, 8, EOT), 1)]
    wide, narrow = collate(rows, pad_to=9), collate(rows)
    assert wide.inputs.shape == (2, 9)
    assert torch.equal(wide.inputs[:, :3], narrow.inputs) and torch.equal(wide.targets[:, :3], narrow.targets)
    assert (wide.targets[:, 3:] == IGNORE).all() and (wide.inputs[:, 3:] == EOT).all()
    with pytest.raises(InputError, match="pad_to=2: the longest row has 3"):
        collate(rows, pad_to=2)


def test_a_cut_never_leaves_an_example_ungraded() -> None:
    """Trap 7. Prevents rows that cost time and teach nothing (and a NaN loss when a whole batch is such)."""
    rows = [Encoded((5, 6, 7, 8, EOT), 3)]
    assert collate(rows, max_length=3).targets.tolist() == [[IGNORE, IGNORE, 8]]
    with pytest.raises(InputError, match="its prompt alone has 3 tokens and fills max_length=2"):
        collate(rows, max_length=2)
    assert too_long(rows, 3) == [0] and too_long(rows, 4) == []


def test_an_epoch_has_every_example_once() -> None:
    """Prevents examples lost or repeated by the length buckets; and an order that is the same every epoch."""
    lengths = [7 * i % 50 for i in range(1003)]
    first, second = (batch_order(lengths, 8, seed=1, epoch=e) for e in (0, 1))
    assert Counter(i for b in first for i in b) == Counter(range(1003))
    assert first != second and first == batch_order(lengths, 8, seed=1, epoch=0)
    assert sorted(map(len, first)) == [3] + [8] * 125


def test_batches_hold_similar_lengths() -> None:
    """Prevents padding a batch of short rows to one long one."""
    encoded = [encode_example(e, ALPACA) for e in load_examples(EMBEDDED)[:1000]]
    order = batch_order([len(e) for e in encoded], 8, seed=1, epoch=0)
    batches = [collate([encoded[i] for i in b]) for b in order]
    assert sum(b.tokens for b in batches) / sum(b.inputs.numel() for b in batches) > 0.95


def test_evaluation_batches_hold_everything() -> None:
    """Prevents a validation loss over part of the split."""
    encoded = [encode_example(e, ALPACA) for e in load_examples(EMBEDDED)[:50]]
    assert sum(b.graded for b in in_order(encoded, 16)) == sum(len(e) - e.prompt_length for e in encoded)
