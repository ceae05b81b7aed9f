"""Encoded examples to tensors: pad, shift, mask.

    ids             p1   p2   p3   r1   r2   EOT                    the example
    inputs          p1   p2   p3   r1   r2   EOT  EOT               every token but the last, which nothing follows;
                                                                    then padding, with EOT
    targets, all    p2   p3   r1   r2   EOT  -100 -100              the next token; -100 after the first EOT
    targets, masked -100 -100 r1   r2   EOT  -100 -100              and, with mask_prompt, -100 on the prompt

The shift happens here and nowhere else: models and losses take inputs and targets as they are. Padding is known by its
place, never found by its id, so the EOT that ends a response stays graded.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ift_lib.encoding import EOT, IGNORE, Encoded
from ift_lib.errors import InputError


@dataclass(frozen=True)
class Batch:
    """Tensors for one step: `inputs` and `targets`, int64, (B, T) each; a target of -100 is not graded."""

    inputs: Tensor
    targets: Tensor
    graded: int
    """How many targets are not -100."""
    tokens: int
    """How many inputs are not padding."""

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return Batch(self.inputs.to(device), self.targets.to(device), self.graded, self.tokens)


def collate(
    examples: Sequence[Encoded],
    *,
    mask_prompt: bool = True,
    pad_to: int | None = None,
    max_length: int | None = None,
) -> Batch:
    """Pad to the longest of the batch (or to `pad_to` tokens), shift by one, set -100 where nothing is graded.

    With all defaults but `mask_prompt=False`, equal to `custom_collate_fn` of Raschka's chapter 7. Rows longer than
    `max_length` are cut at the end (which loses their EOT).

    Raises InputError when a cut would leave an example without a graded token, or `pad_to` is too short.

    >>> batch = collate([Encoded((5, 6, 7, EOT), 2), Encoded((5, 8, EOT), 1)])
    >>> batch.inputs.tolist(), batch.targets.tolist()
    ([[5, 6, 7], [5, 8, 50256]], [[-100, 7, 50256], [8, 50256, -100]])
    """
    inputs, targets = [], []
    for i, example in enumerate(examples):
        row, answer = list(example.ids[:-1]), list(example.ids[1:])
        if mask_prompt:
            answer[: example.prompt_length - 1] = [IGNORE] * (example.prompt_length - 1)
        row, answer = row[:max_length], answer[:max_length]
        if not any(t != IGNORE for t in answer):
            raise InputError(
                f"example {i} of the batch: its prompt alone has {example.prompt_length} tokens and fills max_length="
                f"{max_length}, so no token is graded; raise max_length or leave the example out"
            )
        inputs.append(row)
        targets.append(answer)
    width = max(len(row) for row in inputs) if pad_to is None else pad_to
    if (longest := max(len(row) for row in inputs)) > width:
        raise InputError(f"pad_to={pad_to}: the longest row has {longest} tokens; raise pad_to or set max_length")
    return Batch(
        torch.tensor([row + [EOT] * (width - len(row)) for row in inputs]),
        torch.tensor([row + [IGNORE] * (width - len(row)) for row in targets]),
        graded=sum(t != IGNORE for row in targets for t in row),
        tokens=sum(len(row) for row in inputs),
    )


def idle_batch() -> Batch:
    """One row of one token, not graded: what a process passes through when there is nothing left for it in a step."""
    return Batch(torch.tensor([[0]]), torch.tensor([[IGNORE]]), graded=0, tokens=0)


def too_long(examples: Sequence[Encoded], max_length: int) -> list[int]:
    """Indices of the examples that do not fit: they have too many inputs."""
    return [i for i, e in enumerate(examples) if len(e) - 1 > max_length]


def batch_order(lengths: Sequence[int], batch_size: int, seed: int, epoch: int, window: int = 16) -> list[list[int]]:
    """The batches of one epoch as lists of indices: every example once, shuffled, similar lengths together.

    The shuffled examples are sorted by length inside windows of `window` batches, and the batches shuffled again: far
    less padding, and still a fresh random order each epoch. A function of `seed` and `epoch` alone, so a resumed run
    needs to remember neither order nor generator. The last batch may be smaller.
    """
    rng = random.Random(seed * 1_000_003 + epoch)
    order = list(range(len(lengths)))
    rng.shuffle(order)
    batches = []
    for at in range(0, len(order), window * batch_size):
        near = sorted(order[at : at + window * batch_size], key=lambda i: lengths[i])
        batches += [near[i : i + batch_size] for i in range(0, len(near), batch_size)]
    rng.shuffle(batches)
    return batches


def in_order(examples: Sequence[Encoded], batch_size: int, *, mask_prompt: bool = True) -> Iterator[Batch]:
    """Batches for evaluation: longest first (memory trouble shows at once), no shuffling."""
    longest_first = sorted(examples, key=len, reverse=True)
    for at in range(0, len(longest_first), batch_size):
        yield collate(longest_first[at : at + batch_size], mask_prompt=mask_prompt)
