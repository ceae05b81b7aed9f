"""Adapters as files, in the format of Hugging Face's `peft`: it opens ours, and we open its.

folder/adapter_config.json          rank, alpha, targets, the base model  ──► LoRAConfig
folder/adapter_model.safetensors    base_model.model.transformer.h.0.attn.c_attn.lora_A.weight  (rank, in)
                                    base_model.model.transformer.h.0.attn.c_attn.lora_B.weight  (out, rank)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ift_lib.errors import InputError
from ift_lib.files import replacing, write_text
from ift_lib.lora import LoRAConfig, add_lora, lora_layers
from ift_lib.model import GPT

PREFIX = "base_model.model.transformer."

# Fields of adapter_config.json that decide nothing here, or that `_read_config` looks at one by one. All others stand
# for what our adapters do not compute (DoRA, one rank for each layer, …) as soon as they are set.
KNOWN = frozenset(
    "r lora_alpha target_modules lora_dropout peft_type bias init_lora_weights base_model_name_or_path revision "
    "task_type auto_mapping fan_in_fan_out inference_mode megatron_core peft_version qalora_group_size".split()
)
ALLOWED: dict[str, tuple[object, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "init_lora_weights": (True, False, "gaussian"),  # others change the base model
}


def save_adapter(model: GPT, folder: str | Path, base: str) -> None:
    """Write the adapters of `model` as a folder that `peft.PeftModel.from_pretrained` opens.

    `base` names the model they belong to, as transformers would open it: a name on the hub, or a folder.
    Raises InputError when the model has none.
    """
    layers = dict(lora_layers(model))
    if not layers:
        raise InputError(
            "this model has no adapters to save; add_lora(model) gives it some, merge_lora takes them away"
        )
    config = next(iter(layers.values())).config
    described = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": config.rank,
        "lora_alpha": config.scale * config.rank,
        "lora_dropout": config.dropout,
        "target_modules": list(config.targets),
        "fan_in_fan_out": True,  # GPT-2's layers in transformers hold their matrix as (in, out)
        "bias": "none",
        "inference_mode": True,
        "init_lora_weights": True,
        "modules_to_save": None,
        "use_dora": False,
        "use_rslora": False,
    }
    tensors = {key: t.detach().cpu().contiguous().clone() for key, t in _named(model).items()}
    folder = Path(folder)
    write_text(folder / "adapter_config.json", json.dumps(described, indent=2) + "\n")
    with replacing(folder / "adapter_model.safetensors") as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})


def load_adapter(model: GPT, folder: str | Path) -> GPT:
    """Add the adapters of a folder that `save_adapter` or peft wrote, in place; returns the model.

    Raises InputError for a folder without them, one that needs what our adapters do not compute, or one that belongs to
    a model of another shape; the model is then as it was.
    """
    folder = Path(folder)
    config = _read_config(folder / "adapter_config.json")
    stored = _read_tensors(folder / "adapter_model.safetensors")
    with torch.device("meta"):
        expected = _named(add_lora(GPT(model.config), config))
    problems = [f"{key} is unexpected" for key in stored.keys() - expected.keys()]
    for key, t in expected.items():
        if key not in stored:
            problems.append(f"{key} is missing")
        elif stored[key].shape != t.shape:
            problems.append(f"{key} has shape {tuple(stored[key].shape)} instead of {tuple(t.shape)}")
    if problems:
        listed = "; ".join(sorted(problems)[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        raise InputError(
            f"{folder}: does not fit this model: {listed}; load the model that the adapter was trained for"
        )
    add_lora(model, config)
    with torch.no_grad():
        for key, parameter in _named(model).items():
            parameter.copy_(stored[key])
    return model


def _named(model: GPT) -> dict[str, Tensor]:
    """A and B of every adapter, by peft's names."""
    pairs = ((name, {"lora_A": layer.lora_A, "lora_B": layer.lora_B}) for name, layer in lora_layers(model))
    return {f"{PREFIX}{name}.{which}.weight": t for name, both in pairs for which, t in both.items()}


def _read_config(path: Path) -> LoRAConfig:
    """The size and the targets that an adapter_config.json describes. Raises InputError."""
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        wrong = [f"{field} is {raw[field]!r}" for field in sorted(raw.keys() - KNOWN) if raw[field]]
        wrong += [f"{field} is {raw.get(field)!r}" for field, ok in ALLOWED.items() if raw.get(field, ok[0]) not in ok]
        rank, alpha, targets = raw["r"], raw["lora_alpha"], raw["target_modules"]
    except FileNotFoundError as e:
        raise InputError(f"{path.parent}: has no {path.name}; name a folder that peft or `ift run --lora` wrote") from e
    except (ValueError, AttributeError, KeyError, TypeError) as e:
        raise InputError(f"{path}: no readable description of an adapter ({e!r}); get the file anew") from e
    if type(rank) is not int:
        wrong.append(f"r is {rank!r}, not a whole number")
    if not isinstance(alpha, (int, float)):
        wrong.append(f"lora_alpha is {alpha!r}, not a number")
    if not isinstance(targets, list):
        wrong.append(f"target_modules is {targets!r}, not a list of names")
    if wrong:
        raise InputError(
            f"{path}: {'; '.join(wrong)}: this library reads plain LoRA only; in peft, merge_and_unload() first"
        )
    names = tuple(sorted(str(name).removeprefix("transformer.") for name in targets))
    return LoRAConfig(rank, alpha, names, raw.get("lora_dropout", 0.0))


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """What an adapter_model.safetensors holds. Raises InputError."""
    try:
        return load_file(path)
    except FileNotFoundError as e:
        raise InputError(
            f"{path.parent}: has no {path.name}; a pickle (.bin) is never opened: save it anew with peft"
        ) from e
    except SafetensorError as e:
        raise InputError(f"{path}: not readable ({e}); damaged or half copied, copy it anew") from e
