"""lora.py: the same answers before training and after merging, few trained numbers, and nothing else moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import TINY, make_tiny
from torch import nn

from ift_lib.data import Example
from ift_lib.encoding import Encoded, encode_example
from ift_lib.errors import InputError
from ift_lib.generation import generate_ids
from ift_lib.lora import (
    LoRAConfig,
    LoRALinear,
    add_lora,
    lora_layers,
    lora_parameter_count,
    merge_lora,
    trainable_parameter_count,
    training_bytes,
)
from ift_lib.model import GPT, SIZES
from ift_lib.templates import PHI3
from ift_lib.training import Progress, TrainConfig, accumulate_gradients, make_optimizer, train

IDS = torch.randint(0, 50257, (3, 20), generator=torch.Generator().manual_seed(7))
CONFIG = TrainConfig(epochs=2, batch_size=4, lr=0.05, patience=99)


RANK_4 = LoRAConfig(4)


def with_lora(config: LoRAConfig = RANK_4, moved: bool = True, **changes: float) -> GPT:
    """A tiny model with adapters; `moved` ones are no longer zero."""
    model = add_lora(make_tiny(**changes), config, torch.Generator().manual_seed(3))
    with torch.no_grad():
        for _, layer in lora_layers(model):
            if moved:
                layer.lora_B.normal_(0, 0.3, generator=torch.Generator().manual_seed(5))
    return model


@pytest.fixture
def sets(examples: list[Example]) -> tuple[list[Encoded], list[Encoded]]:
    encoded = [encode_example(e, PHI3) for e in examples]
    return encoded[:18], encoded[18:]


@torch.no_grad()
def test_new_adapters_change_nothing() -> None:
    """Bug: B drawn at random, so that fine-tuning begins with a damaged model."""
    assert torch.equal(with_lora(moved=False).eval()(IDS), make_tiny().eval()(IDS))


@torch.no_grad()
@pytest.mark.parametrize("targets", [("c_attn",), ("c_attn", "c_proj", "c_fc"), ("attn.c_proj",)])
def test_merged_is_unmerged(targets: tuple[str, ...]) -> None:
    """Bug: B A transposed, or the scale forgotten on one of the two ways."""
    config = LoRAConfig(3, alpha=12.0, targets=targets)
    model = with_lora(config).eval()
    logits, prompt = model(IDS), IDS[0, :6].tolist()
    text = generate_ids(model, [prompt], 8)
    assert (logits - make_tiny().eval()(IDS)).abs().max() > 0.1
    merged = merge_lora(model)
    torch.testing.assert_close(merged(IDS), logits, atol=1e-4, rtol=0)
    assert generate_ids(merged, [prompt], 8) == text
    assert [n for n, _ in merged.named_parameters()] == [n for n, _ in make_tiny().named_parameters()]
    assert trainable_parameter_count(merged) == merged.parameter_count()


def test_the_formula_by_hand() -> None:
    """Bug: rank counted once for A and B together; dropped halves of c_proj."""
    layer = LoRALinear(nn.Linear(5, 7), LoRAConfig(2, alpha=6))
    with torch.no_grad():
        layer.lora_B.normal_()
    x = torch.randn(4, 5)
    by_hand = x @ (layer.base.weight + 3 * layer.lora_B @ layer.lora_A).T + layer.base.bias
    torch.testing.assert_close(layer(x), by_hand)


def test_trainable_parameters_are_as_computed() -> None:
    """Bug: a frozen matrix that is counted or trained, or an adapter that is not."""
    for config in (LoRAConfig(4), LoRAConfig(1, targets=("c_attn",)), LoRAConfig(7, targets=("mlp.c_proj", "c_fc"))):
        assert trainable_parameter_count(with_lora(config)) == lora_parameter_count(TINY, config)
    assert lora_parameter_count(TINY, LoRAConfig(4)) == 2 * 4 * ((16 + 48) + (16 + 16) + (16 + 64) + (64 + 16))
    assert lora_parameter_count(SIZES["gpt2"], LoRAConfig(8, targets=("c_attn",))) == 12 * 8 * (768 + 3 * 768)


def test_gradients_and_moments_take_the_bytes_computed(sets: tuple[list[Encoded], list[Encoded]]) -> None:
    """Bug: an optimizer that keeps moments for the frozen weights: the memory LoRA is there to save."""
    from ift_lib.batching import collate

    for model in (with_lora(), make_tiny()):
        computed = training_bytes(model)
        optimizer = make_optimizer(model, CONFIG)
        accumulate_gradients(model, [collate(sets[0][:4])])
        grads = sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
        optimizer.step()
        moments = sum(t.nbytes for state in optimizer.state.values() for t in state.values() if t.ndim)
        assert (grads, moments) == (computed["gradients"], computed["moments"])
        assert computed["weights"] == 4 * model.parameter_count()
    assert training_bytes(with_lora())["gradients"] == 4 * lora_parameter_count(TINY, LoRAConfig(4))


def test_only_adapters_move_and_it_learns(sets: tuple[list[Encoded], list[Encoded]]) -> None:
    """Bug: weight decay on frozen matrices; adapters without a gradient."""
    model, before = with_lora(moved=False), dict(make_tiny().named_parameters())
    history = train(model, *sets, CONFIG)
    assert history.best().loss < history.validation[0].loss - 0.2
    for name, p in model.named_parameters():
        if "lora_" in name:
            assert p.abs().sum() > 0
        else:
            assert torch.equal(p, before[name.replace(".base.", ".")]), name


class Stop(Exception):
    """Thrown by a test to end a run as a crash would."""


def cut_at(step: int) -> Callable[[Progress], None]:
    def crash(progress: Progress) -> None:
        if progress.step == step:
            raise Stop

    return crash


def test_a_run_that_is_cut_off_ends_the_same(sets: tuple[list[Encoded], list[Encoded]], tmp_path: Path) -> None:
    """Bug: adapters left out of the checkpoint or of the best weights, or their dropout drawn anew."""
    other = [encode_example(Example("Name a river.", output="Tagus"), PHI3)]  # learning about fruit does not help
    config, lora = replace(CONFIG, epochs=3, lr=0.1), LoRAConfig(4, dropout=0.1)
    whole = with_lora(lora, moved=False)
    history = train(whole, sets[0], other, config)
    assert history.best() not in (history.validation[0], history.validation[-1])
    with pytest.raises(Stop):
        train(with_lora(lora, moved=False), sets[0], other, config, checkpoint=tmp_path / "c", on_step=cut_at(8))
    resumed = with_lora(lora, moved=False)
    assert train(resumed, sets[0], other, config, checkpoint=tmp_path / "c") == history
    assert all(torch.equal(p, q) for p, q in zip(whole.parameters(), resumed.parameters(), strict=True))
    with pytest.raises(InputError, match="another model"):
        train(with_lora(LoRAConfig(5), moved=False), sets[0], other, config, checkpoint=tmp_path / "c")


def test_dropout_only_while_training() -> None:
    """Bug: answers that differ from call to call."""
    model = with_lora(LoRAConfig(4, dropout=0.5))
    with torch.no_grad():
        assert torch.equal(model.eval()(IDS), model(IDS))
        assert not torch.equal(model.train()(IDS), model(IDS))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rank": 0}, "rank 0: must be at least 1"),
        ({"rank": -3}, "rank -3"),
        ({"alpha": 0.0}, "alpha 0.0"),
        ({"alpha": float("nan")}, "alpha nan"),
        ({"dropout": 1.0}, "dropout 1.0"),
        ({"targets": ()}, "none given"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, float], said: str) -> None:
    """Bug: a division by zero, or an adapter that does nothing, deep in a run."""
    with pytest.raises(InputError, match=said):
        LoRAConfig(**wrong)


def test_unknown_targets_are_refused_and_the_model_stays_free() -> None:
    """Bug: a typo that trains nothing, or leaves a frozen model behind."""
    model = make_tiny()
    for target in ("q_proj", "wte", "attn", "_attn"):
        with pytest.raises(InputError, match=f"targets {target}: no such linear layer.*there are c_attn, c_fc, c_proj"):
            add_lora(model, LoRAConfig(targets=("c_fc", target)))
    assert trainable_parameter_count(model) == model.parameter_count()
    add_lora(model)
    with pytest.raises(InputError, match="has adapters already"):
        add_lora(model)
