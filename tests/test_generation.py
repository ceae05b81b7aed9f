"""generation.py: batched and cached, and still the tokens of one prompt at a time."""

from __future__ import annotations

import pytest
import torch

from ift_lib.data import EMBEDDED, Example, load_examples
from ift_lib.encoding import EOT, encode_prompt
from ift_lib.errors import InputError
from ift_lib.generation import Sampling, generate_ids, respond
from ift_lib.model import GPT
from ift_lib.templates import ALPACA, PHI3_END
from ift_lib.weights import load_pretrained


def one_by_one(model: GPT, prompt: list[int], new: int) -> list[int]:
    """Greedy decoding as plainly as it can be written: no cache, no batch."""
    ids = list(prompt)
    while len(ids) < len(prompt) + new and ids[len(prompt) :][-1:] != [EOT]:
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    return ids[len(prompt) :]


@torch.inference_mode()
def test_batched_and_cached_equals_plain(tiny: GPT) -> None:
    """Prevents a cache or a padding that changes what the model says, for prompts of unequal length."""
    generator = torch.Generator().manual_seed(0)
    prompts = [torch.randint(0, 50257, (n,), generator=generator).tolist() for n in (1, 30, 7, 7, 60, 2)]
    assert generate_ids(tiny, prompts, 20) == [one_by_one(tiny, p, 20) for p in prompts]


@torch.inference_mode()
def test_the_pocket_model_says_the_same_alone_and_together() -> None:
    """Prevents the same with real weights, whose likeliest tokens lie closer together."""
    model = load_pretrained("pocket")
    prompts = [encode_prompt(e, ALPACA) for e in load_examples(EMBEDDED)[:100]]
    assert generate_ids(model, prompts, 12) == [one_by_one(model, p, 12) for p in prompts]


def test_each_prompt_has_its_own_limit(tiny: GPT) -> None:
    """Prevents the shortest limit from cutting every row, or the longest from overrunning one."""
    free = generate_ids(tiny, [[5], [6, 7], [8]], 9)
    assert generate_ids(tiny, [[5], [6, 7], [8]], [1, 9, 4]) == [free[0][:1], free[1], free[2][:4]]


def test_sampling_is_repeatable_and_leaves_the_global_generator_alone(tiny: GPT) -> None:
    """Prevents a chat that changes the next training run."""
    before = torch.get_rng_state()
    a, b, c = (
        generate_ids(tiny, [[5], [6]], 8, Sampling(1.0), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert a == b != c
    assert torch.equal(before, torch.get_rng_state())


def test_sampling_follows_the_probabilities() -> None:
    """Prevents temperature, top-k or top-p applied wrongly: compared with frequencies worked out by hand."""
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().repeat(20_000, 1)[:, [3, 0, 2, 1]]  # not in order

    def shares(sampling: Sampling) -> list[float]:
        chosen = sampling.choose(logits, torch.Generator().manual_seed(0))
        return (torch.bincount(chosen, minlength=4)[[1, 3, 2, 0]] / len(chosen)).tolist()

    cool = torch.tensor([0.5, 0.3, 0.15, 0.05]) ** 2
    for sampling, expected in [
        (Sampling(1.0), [0.5, 0.3, 0.15, 0.05]),
        (Sampling(0.5), (cool / cool.sum()).tolist()),
        (Sampling(1.0, top_k=2), [0.625, 0.375, 0, 0]),
        (Sampling(1.0, top_p=0.6), [0.625, 0.375, 0, 0]),  # 0.5 is not yet 0.6, so the second is in
        (Sampling(1.0, top_p=0.01), [1, 0, 0, 0]),  # never empty
    ]:
        assert shares(sampling) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.5}])
def test_impossible_sampling_is_refused(wrong: dict[str, float]) -> None:
    """Prevents a NaN distribution from reaching the sampler."""
    with pytest.raises(InputError, match=next(iter(wrong))):
        Sampling(**wrong)


def test_empty_prompts_are_refused(tiny: GPT) -> None:
    """Prevents indexing before the first token."""
    with pytest.raises(InputError, match="prompt 1: 0 tokens"):
        generate_ids(tiny, [[5], []], 3)
    assert generate_ids(tiny, [], 3) == []


def test_answers_come_in_the_order_of_the_questions(tiny: GPT, examples: list[Example]) -> None:
    """Prevents answers swapped between questions by sorting prompts by length."""
    together = respond(tiny, examples, ALPACA, max_new_tokens=4, batch_size=5)
    assert together == [respond(tiny, [e], ALPACA, max_new_tokens=4)[0] for e in examples]


def test_the_end_marker_of_the_format_is_cut(monkeypatch: pytest.MonkeyPatch, tiny: GPT) -> None:
    """Prevents `<|end|>` from standing in every answer of a model trained with it."""
    from ift_lib import generation
    from ift_lib.encoding import get_tokenizer

    said = [[*get_tokenizer().encode_ordinary(" Paris.<|end|>"), EOT], get_tokenizer().encode_ordinary("Par")]
    monkeypatch.setattr(generation, "generate_ids", lambda *a, **k: said)
    answers = respond(tiny, [Example("a"), Example("b")], PHI3_END)
    assert [(a.text, a.ended) for a in answers] == [("Paris.", True), ("Par", False)]


def test_a_prompt_near_the_wall_gets_the_room_there_is(tiny: GPT) -> None:
    """Trap 16. Prevents refusing a whole test set because one prompt is long."""
    prompt = encode_prompt(Example("word " * 80), ALPACA)
    [answer] = respond(tiny, [Example("word " * 80)], ALPACA, max_new_tokens=100)
    assert len(prompt) < 128 and answer.text
    with pytest.raises(InputError, match="room for"):
        respond(tiny, [Example("word " * 120)], ALPACA)
