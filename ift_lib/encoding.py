"""Text to ids and back, and which ids are graded.

    prompt                                   response      end
    "... ### Instruction: ... ### Response:\\n" "Paris."   <|endoftext|>
    ids    p p p p p p p p p p p p              r r        50256
    graded . . . . . . . . . . . .              x x        x

Prompt and response are encoded apart, so no token ever spans the seam: the prompt tokens seen in training are
exactly those that generation continues from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tiktoken

from ift_lib.data import Example
from ift_lib.templates import Template

EOT = 50256
"""GPT-2's one special token, `<|endoftext|>`: it ends every response."""
IGNORE = -100
"""The target that no loss counts; `ignore_index` of `torch.nn.functional.cross_entropy`."""

BPE_FOLDER = Path(__file__).parent / "assets" / "gpt2_bpe"
# As in tiktoken's own r50k_base: contractions, words, numbers, other marks (each with one leading space), spaces.
SPLIT_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""


@cache
def get_tokenizer() -> tiktoken.Encoding:
    """GPT-2's byte-pair encoding, as `tiktoken.get_encoding("gpt2")`, from the embedded vocabulary: no network.

    >>> get_tokenizer().encode_ordinary("Hello, world")
    [15496, 11, 995]
    """
    vocabulary = json.loads((BPE_FOLDER / "encoder.json").read_text(encoding="utf-8"))
    eot = {token: vocabulary.pop(token) for token in ["<|endoftext|>"]}
    to_byte = _printable_to_byte()
    ranks = {bytes(to_byte[c] for c in token): rank for token, rank in vocabulary.items()}
    return tiktoken.Encoding(
        "gpt2", pat_str=SPLIT_PATTERN, mergeable_ranks=ranks, special_tokens=eot, explicit_n_vocab=50257
    )


def _printable_to_byte() -> dict[str, int]:
    """The vocabulary file writes each byte as one printable character: itself, or the next free one from U+0100 on."""
    printable = [b for b in range(256) if chr(b).isprintable() and b != ord(" ")]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}


@dataclass(frozen=True)
class Encoded:
    """One example as ids: prompt, response, EOT. The first `prompt_length` ids are the prompt."""

    ids: tuple[int, ...]
    prompt_length: int

    def __len__(self) -> int:
        return len(self.ids)


def encode_prompt(example: Example, template: Template) -> list[int]:
    """The ids a model is given before it answers: the rendered prompt, nothing before or after it.

    Text is never trusted as markup: a `<|endoftext|>` written in it stays ordinary letters.
    """
    return get_tokenizer().encode_ordinary(template.prompt(example))


def encode_example(example: Example, template: Template) -> Encoded:
    """Prompt ids, response ids, EOT.

    >>> from ift_lib.templates import ALPACA
    >>> encoded = encode_example(Example("Say hi.", output="Hi!"), ALPACA)
    >>> encoded.ids[encoded.prompt_length:]
    (17250, 0, 50256)
    """
    prompt = encode_prompt(example, template)
    response = get_tokenizer().encode_ordinary(template.response(example))
    return Encoded((*prompt, *response, EOT), len(prompt))


def decode(ids: Sequence[int]) -> str:
    """Ids to text, up to the first EOT; bytes that are no UTF-8 become U+FFFD."""
    ids = list(ids)
    return get_tokenizer().decode(ids[: ids.index(EOT)] if EOT in ids else ids)


def show_supervision(encoded: Encoded, mask_prompt: bool = True) -> str:
    """The example as text with the graded tokens in [brackets]: what the loss sees, readable.

    The first token is never graded, for nothing predicts it.

    >>> from ift_lib.templates import ALPACA
    >>> print(show_supervision(encode_example(Example("Say hi.", output="Hi!"), ALPACA))[-32:])
    Response:
    [Hi][!][<|endoftext|>]
    """
    first = encoded.prompt_length if mask_prompt else 1
    pieces = [get_tokenizer().decode([i]) for i in encoded.ids]
    return "".join(f"[{p}]" if at >= first else p for at, p in enumerate(pieces))
