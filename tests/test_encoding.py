"""encoding.py: GPT-2's tokens without a network, and the seam between prompt and response."""

from __future__ import annotations

import hashlib
import inspect

import pytest
import tiktoken_ext.openai_public
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken.load import data_gym_to_mergeable_bpe_ranks

from ift_lib.data import EMBEDDED, Example, load_examples
from ift_lib.encoding import (
    BPE_FOLDER,
    EOT,
    SPLIT_PATTERN,
    decode,
    encode_example,
    encode_prompt,
    get_tokenizer,
    show_supervision,
)
from ift_lib.templates import ALPACA, PHI3, TEMPLATES, Template


@pytest.mark.parametrize("name", ["vocab.bpe", "encoder.json"])
def test_the_embedded_vocabulary_is_openais(name: str) -> None:
    """Prevents a damaged or exchanged vocabulary: its hash must be the one tiktoken itself expects."""
    digest = hashlib.sha256((BPE_FOLDER / name).read_bytes()).hexdigest()
    assert digest in inspect.getsource(tiktoken_ext.openai_public.gpt2)


def test_the_tokenizer_is_tiktokens_gpt2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents ids that pretrained weights do not know: ranks, split pattern and special tokens must be tiktoken's."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")  # read the files where they are
    ranks = data_gym_to_mergeable_bpe_ranks(str(BPE_FOLDER / "vocab.bpe"), str(BPE_FOLDER / "encoder.json"))
    ours = get_tokenizer()
    assert ours._mergeable_ranks == ranks
    assert tiktoken_ext.openai_public.r50k_pat_str == SPLIT_PATTERN
    assert (ours.n_vocab, ours._special_tokens) == (50257, {"<|endoftext|>": EOT})


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")))
def test_every_text_comes_back(text: str) -> None:
    """Prevents a byte that the vocabulary cannot write."""
    assert decode(get_tokenizer().encode_ordinary(text)) == text


def test_special_text_is_ordinary_text() -> None:
    """Trap 7. Prevents a data set from injecting an end-of-text, or making tiktoken raise on it."""
    example = Example("What is <|endoftext|>?", "<|endoftext|>", "It is <|endoftext|>, a token.")
    encoded = encode_example(example, ALPACA)
    assert [i for i, token in enumerate(encoded.ids) if token == EOT] == [len(encoded) - 1]
    assert decode(encoded.ids[encoded.prompt_length :]) == example.output


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=list(TEMPLATES))
def test_training_and_asking_share_the_prompt(template: Template) -> None:
    """Trap 6. Prevents a mask, or a generation, that starts from tokens never seen in training."""
    for example in load_examples(EMBEDDED)[:300]:
        encoded = encode_example(example, template)
        assert list(encoded.ids[: encoded.prompt_length]) == encode_prompt(example, template)
        joint = get_tokenizer().encode_ordinary(template.prompt(example) + template.response(example))
        assert list(encoded.ids[:-1]) == joint  # holds because prompts end in one newline and answers are stripped


def test_a_blank_first_line_would_merge() -> None:
    """Trap 6. Shows what the rules prevent: newlines at the seam become one other token."""
    encode = get_tokenizer().encode_ordinary
    prompt = ALPACA.prompt(Example("Write code."))
    joint = encode(prompt + "\n\ncode")
    assert joint != encode(prompt) + encode("\n\ncode")
    assert joint[: len(encode(prompt))] != encode(prompt)


def test_supervision_is_shown() -> None:
    """Prevents a picture of the mask that is not the mask."""
    encoded = encode_example(Example("Say hi.", output="Hi there"), PHI3)
    assert show_supervision(encoded).endswith("<|assistant|>\n[Hi][ there][<|endoftext|>]")
    assert show_supervision(encoded, mask_prompt=False).startswith("<[|][user]")
    assert show_supervision(encoded).replace("[", "").replace("]", "") == decode(encoded.ids) + "<|endoftext|>"
