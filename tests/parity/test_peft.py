"""Our adapters beside those of `peft`: each opens the other's, and computes the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from optional import need
from safetensors.torch import load_file, save_file
from tiny import make_tiny

from ift_lib.adapters import load_adapter, save_adapter
from ift_lib.errors import InputError
from ift_lib.export import export_pretrained
from ift_lib.lora import LoRAConfig, add_lora, lora_layers, merge_lora, trainable_parameter_count
from ift_lib.model import GPT

transformers, peft = need("transformers"), need("peft")
pytestmark = pytest.mark.filterwarnings("ignore")  # theirs

IDS = torch.randint(0, 50257, (3, 20), generator=torch.Generator().manual_seed(7))
TARGETS = [("c_attn",), ("c_attn", "c_proj", "c_fc"), ("attn.c_proj", "c_fc")]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, as transformers opens it."""
    transformers.utils.logging.disable_progress_bar()
    folder = tmp_path_factory.mktemp("base") / "model"
    export_pretrained(make_tiny(), folder)
    return folder


def draw(parameters: Any) -> None:
    """Numbers for A and B that show in the logits."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, p in parameters:
            if "lora_" in name:
                p.normal_(0, 0.3, generator=generator)


def ours(config: LoRAConfig) -> GPT:
    model = add_lora(make_tiny(), config)
    draw(model.named_parameters())
    return model.eval()


def theirs(base: Path, folder: Path, **settings: Any) -> Any:
    """An adapter made and saved by peft."""
    config = peft.LoraConfig(**{"r": 4, "lora_alpha": 12, "task_type": "CAUSAL_LM", "fan_in_fan_out": True} | settings)
    model = peft.get_peft_model(transformers.AutoModelForCausalLM.from_pretrained(base), config)
    draw(model.named_parameters())
    model.save_pretrained(folder)
    return model.eval()


@torch.no_grad()
def assert_same(gpt: GPT, model: Any) -> None:
    logits = gpt.eval()(IDS)
    torch.testing.assert_close(logits, model(IDS).logits, atol=2e-5, rtol=1e-5)
    assert (logits - make_tiny().eval()(IDS)).abs().max() > 0.1


@pytest.mark.parametrize("targets", TARGETS, ids="-".join)
def test_peft_opens_ours(base: Path, tmp_path: Path, targets: tuple[str, ...]) -> None:
    """Bug: A and B transposed for Conv1D, another scale, or names that peft skips with a warning."""
    model = ours(LoRAConfig(3, alpha=7.5, targets=targets))
    save_adapter(model, tmp_path / "adapter", str(base))
    opened = peft.PeftModel.from_pretrained(
        transformers.AutoModelForCausalLM.from_pretrained(base), tmp_path / "adapter"
    )
    assert_same(model, opened)
    assert_same(merge_lora(model), opened.merge_and_unload())


def test_peft_finds_the_base_and_goes_on_training(base: Path, tmp_path: Path) -> None:
    """Bug: a folder that names no base model, or whose adapter cannot be trained on."""
    model = ours(LoRAConfig(3))
    save_adapter(model, tmp_path / "adapter", str(base))
    opened = peft.AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter", is_trainable=True)
    assert_same(model, opened.eval())
    assert opened.get_nb_trainable_parameters()[0] == trainable_parameter_count(model)
    opened.save_pretrained(tmp_path / "again")
    assert_same(load_adapter(make_tiny(), tmp_path / "again"), opened)


@pytest.mark.parametrize("targets", [*TARGETS, "all-linear", ("transformer.h.1.attn.c_attn",)], ids=str)
def test_we_open_theirs(base: Path, tmp_path: Path, targets: Any) -> None:
    """Bug: a target name that means more, or fewer, layers here than there."""
    saved = theirs(base, tmp_path, target_modules=targets if isinstance(targets, str) else list(targets))
    model = load_adapter(make_tiny(), tmp_path)
    assert_same(model, saved)
    assert_same(merge_lora(model), saved)


def test_there_and_back_is_exact(tmp_path: Path) -> None:
    """Bug: alpha rounded, or settings lost, on the way through the file."""
    model = ours(LoRAConfig(3, alpha=7.5, targets=("c_fc", "c_attn"), dropout=0.25))
    save_adapter(model, tmp_path, "base")
    again = load_adapter(make_tiny(), tmp_path)
    pairs = zip(lora_layers(model), lora_layers(again), strict=True)
    for (name, a), (same_name, b) in pairs:
        assert name == same_name and torch.equal(a.lora_A, b.lora_A) and torch.equal(a.lora_B, b.lora_B)
        assert (a.config.scale, a.config.dropout) == (b.config.scale, b.config.dropout)


@pytest.mark.parametrize(
    "settings",
    [
        {"use_dora": True},
        {"use_rslora": True},
        {"bias": "lora_only"},
        {"lora_bias": True},
        {"rank_pattern": {"c_fc": 2}},
        {"alpha_pattern": {"c_fc": 2}},
        {"modules_to_save": ["ln_f"]},
        {"layers_to_transform": [1]},
        {"exclude_modules": ["c_fc"]},
        {"init_lora_weights": "pissa"},
        {"target_modules": r".*h\.0\..*c_attn"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_what_we_do_not_compute_is_refused(base: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    """Bug: a feature of peft that is dropped in silence, so that the model answers as another."""
    theirs(base, tmp_path, **{"target_modules": ["c_attn", "c_fc"], **settings})
    model = make_tiny()
    with pytest.raises(InputError, match=f"{next(iter(settings))} is .*merge_and_unload"):
        load_adapter(model, tmp_path)
    assert trainable_parameter_count(model) == model.parameter_count()


def test_an_adapter_of_another_model_is_refused(tmp_path: Path) -> None:
    """Bug: half an adapter loaded before the first shape that does not fit."""
    save_adapter(ours(LoRAConfig(3)), tmp_path / "a", "base")
    for other in (make_tiny(n_embd=32), make_tiny(n_layer=3), make_tiny(n_layer=1)):
        with pytest.raises(InputError, match="does not fit this model"):
            load_adapter(other, tmp_path / "a")
        assert not list(lora_layers(other)) and trainable_parameter_count(other) == other.parameter_count()


def test_damaged_folders_are_named(tmp_path: Path) -> None:
    """Bug: a traceback for a typo in a path, or zeros in the place of what a file lacks."""
    save_adapter(ours(LoRAConfig(3)), tmp_path, "base")
    config, weights = tmp_path / "adapter_config.json", tmp_path / "adapter_model.safetensors"
    tensors = load_file(weights)
    described = json.loads(config.read_text())

    def refused(said: str) -> None:
        with pytest.raises(InputError, match=said):
            load_adapter(make_tiny(), tmp_path)

    save_file(dict(list(tensors.items())[1:]), weights)
    refused("is missing")
    weights.write_bytes(weights.read_bytes()[:300])
    refused("not readable")
    weights.unlink()
    refused("has no adapter_model.safetensors")
    for changed, said in (({"r": 0}, "rank 0"), ({"r": "8"}, "r is '8'"), ({"lora_alpha": None}, "lora_alpha is None")):
        config.write_text(json.dumps(described | changed))
        refused(said)
    config.write_text("{}")
    refused("no readable description")
    config.unlink()
    refused("has no adapter_config.json")
    with pytest.raises(InputError, match="no adapters to save"):
        save_adapter(make_tiny(), tmp_path, "base")
