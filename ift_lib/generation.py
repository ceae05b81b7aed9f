"""Talking to the model: many prompts at once, one new token each per step.

    prefill   all prompts, one pass (what they share, once); their keys and values go into the cache
    decode    one token per row and step, each at its own row's position; a row that says EOT leaves

The tokens are those of asking one prompt at a time without a cache: right padding is never looked at (`KVCache`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ift_lib.data import Example
from ift_lib.distributed import gather, in_step, share
from ift_lib.encoding import EOT, decode, encode_prompt
from ift_lib.errors import InputError
from ift_lib.hardware import autocast
from ift_lib.model import GPT, KVCache, mode
from ift_lib.templates import Template


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. The default is greedy: always the most likely one."""

    temperature: float = 0.0
    """0 is greedy; 1 samples from the model's own distribution; lower is bolder, higher is wilder."""
    top_k: int | None = None
    """Sample among the k most likely tokens only."""
    top_p: float | None = None
    """Sample among the fewest likeliest tokens that together have this probability (Holtzman et al. 2020)."""

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise InputError(f"temperature={self.temperature}: must be at least 0")
        if self.top_k is not None and self.top_k < 1:
            raise InputError(f"top_k={self.top_k}: must be at least 1")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise InputError(f"top_p={self.top_p}: must be above 0 and at most 1")

    def choose(self, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Logits (B, V) -> one token id for each row (B,)."""
        if self.temperature == 0:
            return logits.argmax(dim=-1)
        # From the most likely token down: both limits are then a cut, and ties cannot let more than k through.
        logits, tokens = (logits.float() / self.temperature).sort(dim=-1, descending=True, stable=True)
        if self.top_k is not None:
            logits[:, self.top_k :] = -torch.inf
        probabilities = logits.softmax(dim=-1)
        if self.top_p is not None:
            before = probabilities.cumsum(dim=-1) - probabilities  # probability of all more likely tokens
            probabilities[before >= self.top_p] = 0
        places = torch.multinomial(probabilities.cpu(), 1, generator=generator).to(tokens.device)
        return tokens.gather(1, places)[:, 0]


GREEDY = Sampling()


@torch.no_grad()  # no inference_mode: what FSDP2 gathers in it, no later backward pass may use
def generate_ids(
    model: GPT,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int | Sequence[int],
    sampling: Sampling = GREEDY,
    generator: torch.Generator | None = None,
    ended: Callable[[list[int]], bool] = lambda new: False,
    precision: str = "fp32",
) -> list[list[int]]:
    """Continue every prompt until its EOT or its limit; returns the new ids only, the EOT included where one was said.

    `max_new_tokens` is one limit for all or one for each. `generator` (on the CPU) makes sampling repeatable. `ended`
    is given the new ids of a prompt after each step, and may end it sooner. `precision` is fp32 or bf16 (autocast):
    faster where the processor computes in it, and perhaps other tokens.
    Raises InputError when a prompt is empty or prompt + limit would pass the context length: beyond it the model has
    no positions, and dropping the start of a prompt unasked would answer another question.
    """
    limits = [max_new_tokens] * len(prompts) if isinstance(max_new_tokens, int) else list(max_new_tokens)
    for i, (prompt, limit) in enumerate(zip(prompts, limits, strict=True)):
        if not prompt or limit < 1:
            raise InputError(f"prompt {i}: {len(prompt)} tokens and room for {limit} new ones; both must be at least 1")
        if len(prompt) + limit > model.config.n_positions:
            raise InputError(
                f"prompt {i}: {len(prompt)} tokens + {limit} new ones is more than the context of "
                f"{model.config.n_positions}; shorten the prompt or lower max_new_tokens"
            )
    if not prompts:
        return []
    answers: list[list[int]] = [[] for _ in prompts]
    rows = list(range(len(prompts)))  # row of the cache -> prompt
    with mode(model, training=False), autocast(model.device, precision):
        cache, logits = _prefill(model, prompts, max(len(p) + n for p, n in zip(prompts, limits, strict=True)))
        while True:
            tokens = sampling.choose(logits, generator)
            for row, token in zip(rows, tokens.tolist(), strict=True):
                answers[row].append(token)
            done = {row for row in rows if answers[row][-1] == EOT or len(answers[row]) == limits[row]}
            going = [i for i, row in enumerate(rows) if row not in done and not ended(answers[row])]
            if not going:
                return answers
            if len(going) < len(rows):
                rows = [rows[i] for i in going]
                cache.keep(torch.tensor(going, device=model.device))
                tokens = tokens[going]
            logits = model(tokens[:, None], cache=cache)[:, -1]
            cache.advance(1)


def _prefill(model: GPT, prompts: Sequence[Sequence[int]], room: int) -> tuple[KVCache, Tensor]:
    """Run all prompts at once; return the filled cache and the logits (B, V) that follow each prompt's last token."""
    lengths = torch.tensor([len(p) for p in prompts], device=model.device)
    width = int(lengths.max())
    ids = torch.tensor([[*p, *[EOT] * (width - len(p))] for p in prompts], device=model.device)
    like = torch.empty(0, dtype=model.wte.weight.dtype, device=model.device)  # the weight itself may be a shard
    cache = KVCache(model.config, len(prompts), room, like=like)
    last = torch.arange(width, device=model.device) == lengths[:, None] - 1
    logits = model(ids, where=last, cache=cache)
    cache.advance(lengths)
    return cache, logits


@dataclass(frozen=True)
class Response:
    """A model's answer. `ended` says whether it stopped by itself, with EOT, or was cut at the limit."""

    text: str
    ended: bool


def respond(
    model: GPT,
    examples: Sequence[Example],
    template: Template,
    *,
    max_new_tokens: int = 128,
    batch_size: int = 16,
    sampling: Sampling = GREEDY,
    generator: torch.Generator | None = None,
    precision: str = "fp32",
) -> list[Response]:
    """The model's answers to the instructions of `examples`, in their order; prompts of like length run together.

    `precision` is that of `generate_ids`. A prompt near the end of the context gets as many new tokens as there is
    room for.

    Of many processes, each answers its share of the batches, and all get all the answers; sampled ones each makes for
    itself, because a draw depends on those before it.
    Raises InputError when a prompt alone fills the context.
    """
    prompts = [encode_prompt(e, template) for e in examples]
    limits = [min(max_new_tokens, model.config.n_positions - len(p)) for p in prompts]
    by_length = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    batches = [by_length[at : at + batch_size] for at in range(0, len(by_length), batch_size)]
    responses: dict[int, Response] = {}
    with in_step(model):
        for chosen in share(batches) if sampling.temperature == 0 else batches:
            new = generate_ids(
                model,
                [prompts[i] for i in chosen],
                [limits[i] for i in chosen],
                sampling,
                generator,
                precision=precision,
            )
            for i, ids in zip(chosen, new, strict=True):
                responses[i] = Response(decode(ids).removesuffix(template.response_end).strip(), ids[-1] == EOT)
    everyone = {i: response for part in gather(responses) for i, response in part.items()}
    return [everyone[i] for i in range(len(examples))]
