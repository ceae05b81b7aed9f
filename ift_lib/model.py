"""GPT-2: a decoder-only transformer with learned positions and tied embeddings (Radford et al. 2019).

Shapes, by letter, in every comment below:

    B  batch, rows          T  time, tokens in a row        C  channels, n_embd
    H  heads, n_head        D  head size, C / H             V  vocabulary, vocab_size
    S  keys a query can look at (T, or all cached tokens)   N  positions where logits are wanted, or nodes of a tree

Module names equal those of Hugging Face's GPT2Model, so that a state dict needs no dictionary (`weights.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ift_lib.cross_entropy import Tie, fp32_on_cpu, summed_cross_entropy, tied_embedding
from ift_lib.encoding import IGNORE
from ift_lib.prefix_tree import PrefixTree, prefix_tree


@dataclass(frozen=True)
class GPTConfig:
    """The shape of a GPT-2. Field names are those of Hugging Face's `config.json`."""

    vocab_size: int = 50257
    """Number of tokens; GPT-2's byte-pair encoding has 50,257."""
    n_positions: int = 1024
    """Context length: the rows of the position table, and the most tokens a row can have."""
    n_embd: int = 768
    """Width of every hidden state."""
    n_layer: int = 12
    """Number of blocks."""
    n_head: int = 12
    """Attention heads in a block; must divide n_embd."""
    n_inner: int | None = None
    """Width inside the feed-forward part; None means 4 * n_embd."""
    dropout: float = 0.0
    """Share of activations set to 0 while training. GPT-2 was pretrained with 0.1; short fine-tuning needs none."""
    layer_norm_epsilon: float = 1e-5
    """Added to the variance in every layer norm."""

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 1")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd={self.n_embd}: must be a multiple of n_head={self.n_head}")
        if self.n_inner is not None and self.n_inner < 1:
            raise ValueError(f"n_inner={self.n_inner}: must be at least 1, or None for 4 * n_embd")
        if self.layer_norm_epsilon <= 0:
            raise ValueError(f"layer_norm_epsilon={self.layer_norm_epsilon}: must be above 0")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout}: must be at least 0 and below 1")

    @property
    def d_inner(self) -> int:
        """Width inside the feed-forward part, resolved."""
        return 4 * self.n_embd if self.n_inner is None else self.n_inner


SIZES = {
    "pocket": GPTConfig(n_positions=512, n_embd=256, n_layer=8, n_head=8),
    "gpt2": GPTConfig(),
    "gpt2-medium": GPTConfig(n_embd=1024, n_layer=24, n_head=16),
    "gpt2-large": GPTConfig(n_embd=1280, n_layer=36, n_head=20),
    "gpt2-xl": GPTConfig(n_embd=1600, n_layer=48, n_head=25),
}
"""The embedded pocket model (19 M parameters), then OpenAI's 124 M, 355 M, 774 M and 1558 M."""


class KVCache:
    """Keys and values of the tokens seen so far, with a length for each row.

    Rows are right-padded: row b owns positions 0 .. lengths[b] - 1, and the next token is written at lengths[b].
    What a shorter row holds beyond its length (padding of the prompt) is never looked at, and is overwritten.

        lengths [3, 5]      row 0  k k k . . . . .        the next keys go to
                            row 1  k k k k k . . .        columns 3 and 5
    """

    def __init__(self, config: GPTConfig, rows: int, max_length: int, *, like: Tensor) -> None:
        """Room for `rows` x `max_length` tokens, with the device and dtype of `like`."""
        shape = (config.n_layer, rows, config.n_head, max_length, config.n_embd // config.n_head)
        self.keys = like.new_zeros(shape)  # (layer, B, H, S, D)
        self.values = like.new_zeros(shape)
        self.lengths = torch.zeros(rows, dtype=torch.long, device=like.device)  # (B,)

    def advance(self, counts: Tensor | int) -> None:
        """Declare that `counts` more tokens of each row are valid: the prompt lengths after prefill, then 1 a step."""
        self.lengths = self.lengths + counts

    def keep(self, rows: Tensor) -> None:
        """Drop all but `rows` (indices or a mask): finished responses need no more room."""
        self.keys, self.values = self.keys[:, rows], self.values[:, rows]
        self.lengths = self.lengths[rows]

    def store(self, layer: int, positions: Tensor, k: Tensor, v: Tensor, seen: int) -> tuple[Tensor, Tensor]:
        """Write k, v (B, H, T, D) at `positions` (B, T); return all keys and values of the first `seen` positions."""
        rows = torch.arange(len(positions), device=positions.device)[:, None]
        self.keys[layer][rows, :, positions] = k.transpose(1, 2)  # advanced indices first: (B, T, H, D)
        self.values[layer][rows, :, positions] = v.transpose(1, 2)
        return self.keys[layer][:, :, :seen], self.values[layer][:, :, :seen]


class Attention(nn.Module):
    """Multi-head causal self-attention: every token mixes in values of tokens at or before its own position."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.n_head, self.dropout, self.layer = config.n_head, config.dropout, layer

    def forward(self, x: Tensor, look: Look | None) -> Tensor:
        """x (B, T, C) -> (B, T, C), or nodes (N, C) -> (N, C). `look` says what is seen, if not just what is before."""
        tree = None if look is None else look.tree
        visible = None if look is None else look.visible
        qkv = self.c_attn(x) if tree is None else tree.as_rows(self.c_attn(x))
        qkv = qkv.float() if qkv.device.type == "cpu" else qkv
        B, T, C = qkv.shape[0], qkv.shape[1], x.shape[-1]
        # (B, T, 3C) -> three of (B, H, T, D)
        q, k, v = qkv.view(B, T, 3, self.n_head, C // self.n_head).permute(2, 0, 3, 1, 4)
        if look is not None and look.cache is not None:
            k, v = look.cache.store(self.layer, look.positions, k, v, look.seen)
        with fp32_on_cpu():  # where its backward pass is slower in bf16
            y = F.scaled_dot_product_attention(
                q, k, v,
                attn_mask=visible,
                is_causal=visible is None,
                dropout_p=self.dropout if self.training else 0.0,  # this function does not know about eval()
            )  # fmt: skip
        y = y.transpose(1, 2).reshape(B, T, C)
        y = y if tree is None else tree.as_nodes(y)
        return F.dropout(self.c_proj(y), self.dropout, self.training)


class MLP(nn.Module):
    """The feed-forward part of a block: widen, bend, narrow."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, config.d_inner)
        self.c_proj = nn.Linear(config.d_inner, config.n_embd)
        self.dropout = config.dropout

    def forward(self, x: Tensor) -> Tensor:
        """x (…, C) -> (…, C)."""
        x = F.gelu(self.c_fc(x), approximate="tanh")  # GPT-2's "gelu_new"; the exact GELU gives other logits
        return F.dropout(self.c_proj(x), self.dropout, self.training)


class Block(nn.Module):
    """Attention, then feed-forward, each normalised before and added back (pre-norm residual)."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attn = Attention(config, layer)
        self.ln_2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, look: Look | None) -> Tensor:
        """x (B, T, C) -> (B, T, C), or nodes (N, C) -> (N, C)."""
        x = x + self.attn(self.ln_1(x), look)
        return x + self.mlp(self.ln_2(x))


@dataclass(frozen=True)
class Look:
    """Where tokens stand and what they can see, the same for every layer, if not just rows that see what is before."""

    positions: Tensor  # absolute; (B, T), or (T,) without a cache
    seen: int  # S
    cache: KVCache | None = None  # keys and values go into it, and come from it
    visible: Tensor | None = None  # (B, 1, T, S) True where the query at T may see the key at S; None: what is before
    tree: PrefixTree | None = None  # x holds its nodes, not rows

    @classmethod
    def at(cls, cache: KVCache, T: int) -> Look:
        """T more tokens for every row of `cache`, each at its row's own next positions."""
        steps = torch.arange(T, device=cache.lengths.device)
        positions = cache.lengths[:, None] + steps
        seen = int(cache.lengths.max()) + T
        keys = torch.arange(seen, device=steps.device)
        return cls(positions, seen, cache, (keys <= positions[:, :, None])[:, None])

    @classmethod
    def through(cls, tree: PrefixTree, cache: KVCache | None = None) -> Look:
        """The rows of a tree, each from its position 0; `cache`, still empty, gets what they show."""
        B, T = tree.rows.shape
        return cls(torch.arange(T, device=tree.rows.device).expand(B, T), T, cache, tree=tree)


def _embedding(rows: int, width: int) -> nn.Embedding:
    """A table; on "meta" without a beginning, because for that PyTorch first loads its compiler, in 1.6 seconds."""
    if torch.get_default_device().type == "meta":
        return nn.Embedding.from_pretrained(torch.empty(rows, width), freeze=False)
    return nn.Embedding(rows, width)


class GPT(nn.Module):
    """GPT-2. The output layer is the token embedding itself, transposed: there is no `lm_head` to fall out of step.

    >>> model = GPT(GPTConfig(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2))
    >>> model(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 11])
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.wte = _embedding(config.vocab_size, config.n_embd)
        self.wpe = _embedding(config.n_positions, config.n_embd)
        self.h = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.checkpoint_activations = False  # True: training keeps each block's input only, and computes the rest twice
        self.layout = "shared"  # what a loss computes, one of LAYOUTS

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator | None = None) -> GPT:
        """GPT-2's initialisation: normal 0.02, biases 0, projections into the residual stream / sqrt(2 n_layer)."""
        for name, p in self.named_parameters():
            if name.endswith("c_proj.weight"):
                p.normal_(0, 0.02 / (2 * self.config.n_layer) ** 0.5, generator=generator)
            elif name.endswith("bias"):
                p.zero_()
            elif p.ndim == 2:
                p.normal_(0, 0.02, generator=generator)
        return self

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.wte.weight.device

    def parameter_count(self) -> int:
        """Number of trained numbers."""
        return sum(p.numel() for p in self.parameters())

    def hidden(self, input_ids: Tensor, cache: KVCache | None = None) -> Tensor:
        """Token ids (B, T) -> the last hidden states (B, T, C), layer-normed.

        Without a cache, rows start at position 0 and a token sees the tokens before it, so right padding needs no mask.
        With a cache, the ids continue each row at its own length; call `cache.advance` afterwards.

        Raises ValueError when a row would pass the context length: positions beyond it do not exist.
        """
        T = input_ids.shape[1]
        look = Look.at(cache, T) if cache is not None else None
        self._check_length(T if look is None else look.seen)
        positions = torch.arange(T, device=input_ids.device) if look is None else look.positions
        return self._blocks(self.wte(input_ids), positions, look)

    def _check_length(self, tokens: int) -> None:
        if tokens > self.config.n_positions:
            raise ValueError(
                f"{tokens} tokens: the context of this model is {self.config.n_positions}; shorten the text"
            )

    def _blocks(self, x: Tensor, positions: Tensor, look: Look | None) -> Tensor:
        """Embedded tokens (…, C) at positions that broadcast to them -> the last hidden states (…, C), layer-normed."""
        x = F.dropout(x + self.wpe(positions), self.config.dropout, self.training)
        for block in self.h:
            if self.checkpoint_activations and self.training:
                x = checkpoint(block, x, look, use_reentrant=False)
            else:
                x = block(x, look)
        return self.ln_f(x)

    def forward(
        self,
        input_ids: Tensor,
        where: Tensor | None = None,
        cache: KVCache | None = None,
        targets: Tensor | None = None,
    ) -> Tensor:
        """Token ids (B, T) -> logits (B, T, V), or (N, V) at the N positions where the mask `where` (B, T) is True.

        Most of a batch needs no logits (prompt, padding, all but the last position when generating), and the
        vocabulary is the widest product of the model: name the positions you want. With `targets` (B, T) the result
        is not logits but the cross-entropy in nats, summed over the targets that are not -100: a scalar.

        With `where` and a cache, the cache is empty and the ids are prompts: what follows the last True of a row is
        padding.
        """
        if targets is not None:
            return self._summed_loss(input_ids, targets)
        if where is not None and cache is not None and self._leaves_out_padding():
            return self._prefill(input_ids, where, cache)
        x = self.hidden(input_ids, cache)
        return F.linear(x if where is None else x[where], self.wte.weight)

    def _summed_loss(self, input_ids: Tensor, targets: Tensor) -> Tensor:
        """The loss of a batch, computed as `layout` says."""
        if not self._leaves_out_padding():
            where = targets != IGNORE
            return summed_cross_entropy(self.hidden(input_ids)[where], self.wte.weight, targets[where])
        tree = prefix_tree(input_ids, targets, share=self.layout == "shared" and not (self.training and self._drops()))
        self._check_length(tree.rows.shape[1])
        tie = Tie()
        x = self._blocks(tied_embedding(tree.ids, self.wte.weight, tie), tree.positions, Look.through(tree))
        return summed_cross_entropy(x[tree.edges], self.wte.weight, tree.targets, tree.weights, tie)

    def _prefill(self, input_ids: Tensor, where: Tensor, cache: KVCache) -> Tensor:
        """Prompts (B, T) into an empty cache -> the logits (N, V) at their wanted positions; `layout` as in a loss."""
        tree = prefix_tree(input_ids, torch.where(where, 0, IGNORE), share=self.layout == "shared")
        self._check_length(tree.rows.shape[1])
        x = self._blocks(self.wte(tree.ids), tree.positions, Look.through(tree, cache))
        return F.linear(x[tree.rows[where[:, : tree.rows.shape[1]]]], self.wte.weight)

    def _leaves_out_padding(self) -> bool:
        """Only where that is cheaper: not on a GPU, not compiled."""
        return self.layout != "padded" and self.device.type == "cpu" and not torch.compiler.is_compiling()

    def _drops(self) -> bool:
        """Whether training has dropout, which must fall anew on every row."""
        return self.config.dropout > 0 or any(isinstance(m, nn.Dropout) and m.p > 0 for m in self.modules())


LAYOUTS = ("shared", "flat", "padded")
"""What a loss computes: each beginning that rows share once; every row, without padding; rows as they are padded."""


@contextmanager
def mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Train or eval mode inside the block, and whatever it was after it."""
    before = model.training
    model.train(training)
    try:
        yield
    finally:
        model.train(before)
