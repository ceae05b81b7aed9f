"""Pretrained weights, from a folder in the file layout of Hugging Face; `export.py` is the way back.

    folder/config.json         the shape        ──► GPTConfig
    folder/model.safetensors   named tensors    ──► GPT, fp32
        transformer.h.0.ln_1.bias             as it is, without the prefix
        transformer.h.0.attn.c_attn.weight    transposed: stored as (in, out)
        transformer.h.0.attn.bias             dropped: the causal mask, no parameter
        lm_head.weight                        dropped: the output layer is wte.weight itself

Only safetensors is read: a pickle (`pytorch_model.bin`) can run code when it is opened.
"""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ift_lib import hub
from ift_lib.errors import InputError
from ift_lib.export import SAME_MODEL, SIZE_FIELDS, TRANSPOSED
from ift_lib.export import export_pretrained as export_pretrained
from ift_lib.model import GPT, GPTConfig

POCKET = Path(__file__).parent / "assets" / "pocket"

PREFIX = re.compile(r"(?:(?:_orig_mod|module|transformer)\.)*")  # torch.compile, DDP, transformers
BUFFER = re.compile(r"h\.\d+\.attn\.(?:masked_)?bias")  # the dot matters: attn.c_attn.bias is a parameter


def load_pretrained(name: str | Path, *, device: str | torch.device = "cpu", dropout: float = 0.0) -> GPT:
    """A GPT with pretrained weights in fp32, whatever precision the file has.

    `name` is "pocket" (embedded), "gpt2", "gpt2-medium", "gpt2-large" or "gpt2-xl" (OpenAI's, downloaded
    once; `hub.py` says what is pinned), or a folder in Hugging Face layout, as `export_pretrained` and
    transformers write it. A name wins over a folder that is called the same: write ./gpt2 for the folder.

    The model is in train mode, as any new module is. Raises InputError for an unknown name, and for files
    that are missing, damaged, of another architecture, or no safetensors.

    >>> load_pretrained("pocket").config.n_layer  # doctest: +SKIP
    8
    """
    folder = _find(name)
    config = read_config(folder, dropout)
    with torch.device("meta"):  # shapes without numbers: nothing is initialised only to be overwritten
        model = GPT(config)
    model.load_state_dict(_read_weights(folder, model, torch.device(device)), strict=True, assign=True)
    return model


def base_name(name: str) -> str:
    """The model of that name as transformers would open it: a repository of the hub, or a folder of this machine."""
    return hub.RELEASES[name].repo if name in hub.RELEASES else str(_find(name).resolve())


def _find(name: str | Path) -> Path:
    """The folder behind a name."""
    if name == "pocket":
        return POCKET
    if name in hub.RELEASES:
        return hub.fetch(str(name))
    if not Path(name).is_dir():
        raise InputError(
            f"{str(name)!r}: no such model and no such folder; choose pocket, {', '.join(hub.RELEASES)}, "
            "or a folder that holds config.json and model.safetensors"
        )
    return Path(name)


def read_config(folder: Path, dropout: float = 0.0) -> GPTConfig:
    """The shape that a folder's config.json describes.

    Raises InputError, naming every field at once, for what our model does not compute.
    """
    path = folder / "config.json"
    raw = _read_json(path)
    problems = [
        f"{field} is {raw.get(field, default)!r}, and must be {' or '.join(repr(value) for value in allowed)}"
        for field, (default, allowed) in SAME_MODEL.items()
        if raw.get(field, default) not in allowed
    ]
    if problems:
        raise InputError(f"{path}: not a GPT-2 as this library computes it: {'; '.join(problems)}; take another")

    sizes: dict[str, Any] = {k: raw[k] for k in SIZE_FIELDS if raw.get(k) is not None}
    bad = {k: v for k, v in sizes.items() if type(v) is not int or v < 1}
    problems = [f"{k} is {v!r}, and must be a whole number above 0" for k, v in bad.items()]
    epsilon = raw.get("layer_norm_epsilon", GPTConfig.layer_norm_epsilon)
    if not isinstance(epsilon, float) or not 0 < epsilon < 1:
        problems.append(f"layer_norm_epsilon is {epsilon!r}, and must be between 0 and 1")
    if problems:
        raise InputError(f"{path}: {'; '.join(problems)}; get the file anew")
    try:
        config = GPTConfig(**sizes, layer_norm_epsilon=epsilon)
    except ValueError as e:
        raise InputError(f"{path}: {e}") from e
    return replace(config, dropout=dropout)


def _read_json(path: Path) -> dict[str, Any]:
    """A file that must hold a JSON object."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise InputError(f"{path.parent}: has no {path.name}; name a folder in Hugging Face layout") from e
    except ValueError as e:  # no UTF-8, or no JSON
        raise InputError(f"{path}: not readable as JSON ({e}); get the file anew") from e
    if not isinstance(raw, dict):
        raise InputError(f"{path}: must hold a JSON object, not a {type(raw).__name__}; get the file anew")
    return raw


class Stored(NamedTuple):
    """A tensor that is still in its file."""

    file: Any  # an open safetensors file
    key: str
    shape: tuple[int, ...]
    dtype: str

    def read(self) -> Tensor:
        """Its numbers."""
        return self.file.get_tensor(self.key)


def _read_weights(folder: Path, model: GPT, device: torch.device) -> dict[str, Tensor]:
    """Every parameter of `model`, by our name. The headers are checked before any number is read."""
    paths = _weight_files(folder)
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(safe_open(str(path), framework="pt")) for path in paths]
            stored = _stored(folder, files)
            _check_names_and_shapes(folder, model, stored)
            _check_head(folder, stored)
            return {name: _parameter(name, stored[name], device) for name in model.state_dict()}
    except SafetensorError as e:
        raise InputError(f"{folder}: weights not readable ({e}); damaged or half copied, copy them anew") from e


def _weight_files(folder: Path) -> list[Path]:
    """model.safetensors, or the shards that the index lists."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if not index.is_file():
        pickled = ", ".join(sorted(p.name for p in folder.glob("pytorch_model*.bin")))
        if pickled:
            raise InputError(
                f"{folder}: has only {pickled}, and a pickle can run code when opened; if you trust it, "
                "write a new folder: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW)"
            )
        raise InputError(f"{folder}: has no model.safetensors; name a folder that holds weights")
    listed = _read_json(index).get("weight_map")
    if not isinstance(listed, dict) or not listed or not all(isinstance(s, str) for s in listed.values()):
        raise InputError(f"{index}: must have a weight_map of tensor to file name; get the file anew")
    names = sorted(set(listed.values()))
    missing = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
    if missing:
        raise InputError(f"{folder}: lacks {', '.join(missing)}, listed in {index.name}; copy all the files")
    return [folder / name for name in names]


def _stored(folder: Path, files: list[Any]) -> dict[str, Stored]:
    """The tensors in `files` by our name, without the attention buffers."""
    stored: dict[str, Stored] = {}
    for file in files:
        for key in file.keys():
            name = PREFIX.sub("", key, count=1)
            if BUFFER.fullmatch(name):
                continue
            if name in stored:
                raise InputError(f"{folder}: {stored[name].key} and {key} are both {name}; remove one of them")
            view = file.get_slice(key)
            stored[name] = Stored(file, key, tuple(view.get_shape()), view.get_dtype())
    return stored


def _check_names_and_shapes(folder: Path, model: GPT, stored: dict[str, Stored]) -> None:
    """Every parameter once, in its shape, in floating point: all problems are reported together."""
    expected = {
        name: tuple(reversed(p.shape)) if name.endswith(TRANSPOSED) else tuple(p.shape)
        for name, p in model.state_dict().items()
    }
    extra = stored.keys() - expected.keys() - {"lm_head.weight"}
    problems = [f"{stored[name].key} is unexpected" for name in extra]
    for name, shape in expected.items():
        t = stored.get(name)
        if t is None:
            problems.append(f"{name} is missing")
        elif t.shape != shape:
            problems.append(f"{t.key} has shape {t.shape} instead of {shape}")
        elif t.dtype not in ("F64", "F32", "F16", "BF16"):
            problems.append(f"{t.key} holds {t.dtype} instead of floating-point numbers")
    if problems:
        more = f"; and {len(problems) - 20} more" if len(problems) > 20 else ""
        listed = "; ".join(sorted(problems)[:20]) + more
        raise InputError(f"{folder}: weights do not fit config.json: {listed}; take both files from one model")


def _check_head(folder: Path, stored: dict[str, Stored]) -> None:
    """A saved output layer must be the token embedding: ours is, by construction."""
    head, wte = stored.get("lm_head.weight"), stored["wte.weight"]
    if head is not None and (head.shape != wte.shape or not torch.equal(head.read(), wte.read())):
        raise InputError(
            f"{folder}: lm_head.weight differs from wte.weight, but the output layer of GPT-2 is its token "
            "embedding; choose a model with tied embeddings"
        )


def _parameter(name: str, stored: Stored, device: torch.device) -> Tensor:
    """One tensor, our way round, fp32, in its own memory (what is read may be the mapped file)."""
    t = stored.read()
    t = t.T if name.endswith(TRANSPOSED) else t
    return t.to(device=device, dtype=torch.float32, copy=True, memory_format=torch.contiguous_format)
