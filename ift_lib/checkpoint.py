"""Stop and start again: the whole state of a run in one safetensors file, written atomically.

Tensors (weights, optimizer moments, random-generator states) go in as tensors, everything else as JSON in the file's
header. Nothing is pickled, so opening a checkpoint from a stranger runs no code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ift_lib.errors import InputError
from ift_lib.files import replacing


def save_checkpoint(path: str | Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
    """Write `tensors` and JSON-able `notes` to `path`. Floats in the notes come back bit for bit.

    Raises OSError when the disk is full or the place not writable; the old file is then still there.
    """
    # Copies, because safetensors refuses tensors that share memory (the best weights can be the current ones).
    own = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(own, temporary, metadata={"notes": json.dumps(notes)})
        except SafetensorError as e:  # how safetensors reports a full disk
            raise OSError(f"{path}: could not be written ({e})") from e


def load_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_checkpoint` wrote. Raises InputError when the file is none of ours or damaged."""
    try:
        with safe_open(str(path), framework="pt") as file:
            notes = (file.metadata() or {}).get("notes")
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as e:
        raise InputError(f"{path}: not a readable checkpoint ({e}); start the run anew in another folder") from e
    if notes is None:
        raise InputError(
            f"{path}: a safetensors file, but no checkpoint (its header holds no notes); name the run folder"
        )
    return tensors, json.loads(notes)


def pack(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Prefix every key: {"a": …} -> {"name/a": …}."""
    return {f"{name}/{key}": t for key, t in tensors.items()}


def unpack(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors packed under `name`, with their own keys again."""
    return {key.removeprefix(f"{name}/"): t for key, t in tensors.items() if key.startswith(f"{name}/")}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's moments, flat: "parameter number.moment" -> tensor."""
    return _flat(optimizer.state_dict()["state"])


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put the moments of `optimizer_tensors` back. Learning rates stay as the optimizer was made."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, t in tensors.items():
        number, moment = key.split(".")
        state.setdefault(int(number), {})[moment] = t
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def empty_moments(optimizer: torch.optim.AdamW) -> dict[str, Tensor]:
    """Room for what `optimizer_tensors` will give after a step, each like its parameter: a shard for a shard."""
    parameters = [p.detach() for group in optimizer.param_groups for p in group["params"]]
    return _flat(
        {
            number: {"step": torch.zeros(()), "exp_avg": torch.empty_like(p), "exp_avg_sq": torch.empty_like(p)}
            for number, p in enumerate(parameters)
        }
    )


def _flat(state: Mapping[int, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{number}.{moment}": t for number, moments in state.items() for moment, t in moments.items()}
