"""The tokens of a batch that need computing: no padding, and a beginning that rows share only once.

    Below is … Plural of cat: cats                                    ┌─ cat ── : ── cats
    Below is … Plural of dog: dogs      Below ─ is ─ … ┬─ Plural ─ of ┴─ dog ── : ── dogs
    Below is … Rhyme of cat: hat                       └─ Rhyme ── of ── cat ── : ── hat

In a causal model a token's hidden state depends on nothing but the tokens before it. Rows that begin with the same
tokens therefore have the same states there, and the same loss; a node of the tree stands for all of them. Everything
in GPT-2 but attention works on one token at a time, and so on the nodes; attention looks at rows, and gathers them.

An edge is a prediction, and weighs as much as the number of graded rows that run along it. Most of an instruction's
template is shared: of the 56 tokens of an Alpaca example, 24.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ift_lib.encoding import IGNORE


@dataclass(frozen=True)
class PrefixTree:
    """N nodes and E graded edges of a batch of B rows, T long without what no loss depends on. All int64."""

    ids: Tensor
    """(N,) The token of each node."""
    positions: Tensor
    """(N,) Its place in its rows."""
    rows: Tensor
    """(B, T) The node at each place of each row; 0 after a row's end, where nothing looks."""
    places: Tensor
    """(N,) A place of each node in `rows`, flattened."""
    edges: Tensor
    """(E,) The node that an edge comes from."""
    targets: Tensor
    """(E,) The token it predicts."""
    weights: Tensor
    """(E,) How many rows it counts for."""

    def as_rows(self, x: Tensor) -> Tensor:
        """What the nodes hold (N, C), at every place of every row (B, T, C)."""
        return F.embedding(self.rows, x)

    def as_nodes(self, x: Tensor) -> Tensor:
        """The way back: (B, T, C) -> (N, C), from one of the places of each node; all hold the same."""
        return F.embedding(self.places, x.flatten(0, 1))


def prefix_tree(inputs: Tensor, targets: Tensor, *, share: bool = True) -> PrefixTree:
    """The tree of a batch; with `share` False, each row has nodes of its own, and only the padding goes.

    `inputs` and `targets` are (B, T) as `collate` makes them. What follows a row's last graded target touches no loss
    and is left out; of a row without any, the first token stays, so that there is always something to compute.

    >>> tree = prefix_tree(torch.tensor([[5, 6, 7], [5, 6, 0]]), torch.tensor([[6, 7, 8], [6, 9, IGNORE]]))
    >>> tree.ids.tolist(), tree.rows.tolist()
    ([5, 6, 7], [[0, 1, 2], [0, 1, 0]])
    >>> list(zip(tree.edges.tolist(), tree.targets.tolist(), tree.weights.tolist()))
    [(0, 6, 2), (1, 7, 1), (2, 8, 1), (1, 9, 1)]
    """
    lengths = [max((t + 1 for t, target in enumerate(row) if target != IGNORE), default=1) for row in targets.tolist()]
    width = max(lengths)
    nodes: dict[tuple[int, int, int], int] = {}  # (who may share it, the node before, the token): its number
    weights: dict[tuple[int, int], int] = {}  # (node, target): rows
    rows: list[list[int]] = []
    positions: list[int] = []
    places: list[int] = []
    for b, (ids, wanted) in enumerate(zip(inputs.tolist(), targets.tolist(), strict=True)):
        node, row = -1, list[int]()
        for t in range(lengths[b]):
            key = (0 if share else b, node, ids[t])
            node = nodes.setdefault(key, len(nodes))
            if node == len(positions):
                positions.append(t)
                places.append(b * width + t)
            row.append(node)
            if wanted[t] != IGNORE:
                weights[node, wanted[t]] = weights.get((node, wanted[t]), 0) + 1
        rows.append(row + [0] * (width - len(row)))
    edges = torch.tensor(list(weights), dtype=torch.long).reshape(-1, 2)
    as_tensor = lambda numbers: torch.tensor(numbers, dtype=torch.long, device=inputs.device)  # noqa: E731
    return PrefixTree(
        ids=as_tensor([token for _, _, token in nodes]),
        positions=as_tensor(positions),
        rows=as_tensor(rows),
        places=as_tensor(places),
        edges=edges[:, 0].to(inputs.device),
        targets=edges[:, 1].to(inputs.device),
        weights=as_tensor(list(weights.values())),
    )
