"""A model as a folder in the file layout of Hugging Face, for `transformers` and for `weights.py`."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from ift_lib.encoding import BPE_FOLDER, EOT
from ift_lib.errors import InputError
from ift_lib.files import replacing, write_text
from ift_lib.model import GPT
from ift_lib.templates import Template

# GPT-2 was published with a layer type that stores its matrix as (in, out); torch.nn.Linear has (out, in).
TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
SIZE_FIELDS = ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "n_inner")

# Field: what transformers takes when config.json is silent, and the values that make the model ours.
SAME_MODEL: dict[str, tuple[object, tuple[object, ...]]] = {
    "model_type": (None, ("gpt2",)),
    "activation_function": ("gelu_new", ("gelu_new", "gelu_pytorch_tanh")),
    "scale_attn_weights": (True, (True,)),
    "scale_attn_by_inverse_layer_idx": (False, (False,)),
    "add_cross_attention": (False, (False,)),
}

EXPORTED = (
    "config.json",
    "generation_config.json",
    "merges.txt",
    "model.safetensors",
    "tokenizer_config.json",
    "vocab.json",
)
"""The files of an export."""


def export_pretrained(
    model: GPT, folder: str | Path, *, template: Template | None = None, dtype: torch.dtype = torch.float32
) -> None:
    """Write a folder that `load_pretrained` opens, and `transformers` (AutoModelForCausalLM, AutoTokenizer).

    It holds config, weights in `dtype`, the GPT-2 tokenizer, generation config, and the chat template of
    `template` when given. It appears whole or not at all; an earlier export there is replaced.

    Raises InputError when `folder` holds anything else, and OSError as the file system does (a full disk).
    """
    folder = Path(folder).resolve()
    _check_replaceable(folder)
    temporary, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{what}") for what in ("tmp", "old"))
    try:
        temporary.mkdir(parents=True)
        _write_export(model, temporary, template, dtype)
        if folder.exists():
            folder.rename(old)
        temporary.rename(folder)
    except SafetensorError as e:  # how safetensors reports a full disk
        raise OSError(f"{folder}: could not be written ({e})") from e
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _check_replaceable(folder: Path) -> None:
    """Replacing deletes: only what an export wrote may go."""
    if folder.is_dir():
        others = sorted(p.name for p in folder.iterdir() if p.name not in EXPORTED)
        if others:
            raise InputError(f"{folder}: holds {', '.join(others[:5])}, which no export wrote; name a new folder")
    elif folder.exists():
        raise InputError(f"{folder}: is a file; name a folder")


def _write_export(model: GPT, folder: Path, template: Template | None, dtype: torch.dtype) -> None:
    """Fill an empty folder with the files of `EXPORTED`."""
    c = model.config
    end: dict[str, object] = {"bos_token_id": EOT, "eos_token_id": EOT}
    config = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        **{field: default for field, (default, _) in SAME_MODEL.items() if default is not None},
        **{field: getattr(c, field) for field in SIZE_FIELDS},
        "n_ctx": c.n_positions,
        "layer_norm_epsilon": c.layer_norm_epsilon,
        "initializer_range": 0.02,
        **dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), c.dropout),
        "reorder_and_upcast_attn": False,
        "tie_word_embeddings": True,
        "use_cache": True,
        "torch_dtype": str(dtype).removeprefix("torch."),
        **end,
    }
    tokenizer = {
        "tokenizer_class": "GPT2Tokenizer",
        "model_max_length": c.n_positions,
        "add_prefix_space": False,
        "add_bos_token": False,  # no prompt began with one; llama.cpp would add it unasked
        "clean_up_tokenization_spaces": False,
        **dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), "<|endoftext|>"),
        **({"chat_template": template.chat_template} if template else {}),
    }
    for name, content in {
        "config.json": config,
        "generation_config.json": {**end, "pad_token_id": EOT, "do_sample": False},
        "tokenizer_config.json": tokenizer,
    }.items():
        write_text(folder / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    for source, name in (("encoder.json", "vocab.json"), ("vocab.bpe", "merges.txt")):
        with replacing(folder / name) as temporary:
            shutil.copyfile(BPE_FOLDER / source, temporary)
    tensors = {}
    for name, t in model.state_dict().items():
        t = t.T if name.endswith(TRANSPOSED) else t
        tensors[f"transformer.{name}"] = t.to("cpu", dtype).contiguous()
    with replacing(folder / "model.safetensors") as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
        shutil.copymode(folder / "config.json", temporary)  # safetensors makes it readable for its owner only
