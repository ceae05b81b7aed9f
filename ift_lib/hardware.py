"""The machine: which device, which precision, how much memory a run needs, and how much arithmetic.

Memory of a training step, in bytes, for P parameters (`memory_needed` adds them up):

    weights 4P    gradients 4P    AdamW's moments 8P    bf16 copies of the weights 2P
    activations   what the backward pass reads again, for each token and block
    logits        a row of the vocabulary for each graded token (MOST_LOGITS at a time)
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass, replace

import torch

from ift_lib.cross_entropy import MOST_LOGITS
from ift_lib.errors import InputError
from ift_lib.model import GPTConfig


@dataclass(frozen=True)
class Compute:
    """How training computes. The result is the same but for rounding; speed and memory are not."""

    precision: str = "fp32"
    """fp32, or bf16: matrix products in bfloat16 (autocast); weights, optimizer and loss stay fp32."""
    compile: bool = False
    """Let torch.compile fuse the operations: a slow start, then faster steps."""
    checkpoint_activations: bool = False
    """Keep only the input of each block and compute the rest twice: less memory, a third more arithmetic."""
    layout: str = "shared"
    """What a loss computes on a CPU, one of LAYOUTS: "padded" is the plain way, to compare with."""


FP32 = Compute()


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA, else Apple's MPS, else the CPU. Raises InputError for a device this machine lacks.

    Under torchrun each process takes the GPU of its own number.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    local_rank = os.environ.get("LOCAL_RANK")
    if name == "auto":
        # No process group joins several processes on MPS.
        name = next(kind for kind, yes in there.items() if yes and not (kind == "mps" and local_rank))
    try:
        device = torch.device(name)
    except RuntimeError as e:
        raise InputError(f"device {name!r}: unknown; choose auto, cpu, cuda or mps") from e
    if not there.get(device.type):
        raise InputError(f"device {name!r}: not on this machine; leave --device out, or choose cpu")
    if device.type == "mps" and local_rank:
        raise InputError("device 'mps': serves one process; start without torchrun, or choose --device cpu")
    if device.type != "cuda":
        return device
    if device.index is None:
        device = torch.device("cuda", int(local_rank or 0))
    if device.index >= torch.cuda.device_count():
        raise InputError(f"device {device}: this machine has {torch.cuda.device_count()}; start as many processes")
    torch.cuda.set_device(device)
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """`auto` is bf16 on a CUDA device that computes in it, else fp32. Raises InputError where there is no bf16."""
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    if name == "auto":
        return "bf16" if native else "fp32"
    if name not in ("fp32", "bf16"):
        raise InputError(f"precision {name!r}: unknown; choose auto, fp32 or bf16")
    if name == "bf16" and device.type == "cuda" and not native:
        raise InputError(f"precision 'bf16': {torch.cuda.get_device_name(device)} does not compute in it; choose fp32")
    return name


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Inside, matrix products are computed in `precision`; weights and gradients stay fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def place_of(device: torch.device, compute: Compute, processes: int, *, sharded: bool) -> str:
    """Where and how a run computes, for a reader."""
    place = str(device) + (f" in {compute.precision}" if compute.precision != "fp32" else "")
    return place if processes == 1 else f"{place}, {processes} processes ({'FSDP2' if sharded else 'DDP'})"


# --- memory ---


def keep_freed_memory() -> bool:
    """From here on this process keeps the memory that it frees, for its next step; whether the C library can do that.

    A step frees gradients and logits, hundreds of MB. glibc hands such blocks back at once, and what the next step gets
    instead has to be cleared by the kernel first: that is several times slower than writing to memory one has.
    The options are those of mallopt(3), by the numbers of <malloc.h>. The most memory in use stays about the same.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    trim_threshold, top_pad, mmap_max = (-1, 2**31 - 1), (-2, 2**26), (-4, 0)
    return mallopt is not None and all(mallopt(*option) for option in (trim_threshold, top_pad, mmap_max))


def peak_memory_gb() -> float | None:
    """The most memory this process has had resident, in GB; None on Windows, which does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, 2)


@dataclass(frozen=True)
class Step:
    """The largest piece of work a device has in memory at a time."""

    rows: int
    """Examples, padded to the longest."""
    length: int
    """Tokens in each row."""
    graded: int
    """Targets that need logits."""


def parameter_count(config: GPTConfig) -> int:
    """The P of a shape.

    >>> [round(parameter_count(SIZES[name]) / 1e6) for name in SIZES]
    [19, 124, 355, 774, 1558]
    """
    c, d = config.n_embd, config.d_inner
    block = 4 * c * c + 2 * c * d + 9 * c + d  # four matrices, their biases (3c + c + d + c) and two norms (4c)
    return (config.vocab_size + config.n_positions) * c + config.n_layer * block + 2 * c


def memory_needed(config: GPTConfig, step: Step, compute: Compute, shards: int = 1, adapters: int | None = None) -> int:
    """About how many bytes training needs on each device; what the libraries take (CUDA: 0.5 GB) comes on top.

    `shards` is the number of processes that share the parameters (FSDP2), 1 without. `adapters` is the number of
    parameters of adapters (LoRA), if those alone are trained. Rows are padded, as on a GPU. Within a quarter of what
    was measured, as `tests/test_hardware.py` holds; kernels need scratch space that no formula sees.
    """
    P = parameter_count(config)
    c, d, half = config.n_embd, config.d_inner, compute.precision == "bf16"
    number = 2 if half else 4
    trained = P if adapters is None else adapters
    fixed = (4 * (P + (adapters or 0)) + 12 * trained) // shards + (2 * P if half else 0)
    if shards > 1:  # gathered at a time: the root unit with its gradient, and two blocks
        root = (config.vocab_size + config.n_positions + 2) * c
        fixed += 4 * (2 * root + 2 * (P - root) // config.n_layer)
    # A block keeps two fp32 inputs of norms; then: inputs of two products, q k v, what attention gives and its copy,
    # and both sides of the GELU.
    block = 2 * 4 * c + number * (2 * c + 3 * c + 2 * c + 2 * d)
    kept = config.n_layer * 4 * c + block if compute.checkpoint_activations else config.n_layer * block
    logits = min(step.graded, MOST_LOGITS) * config.vocab_size * (2 * 4 if half else 4)  # bf16: and two such copies
    if step.graded > MOST_LOGITS:  # each piece has a gradient of the embedding, which is added to that of the others
        logits += 4 * config.vocab_size * c
    return fixed + step.rows * step.length * kept + logits


TOO_MUCH = 1.25
"""An estimate this many times the free memory is taken to be right."""


def check_memory(
    name: str,
    config: GPTConfig,
    step: Step,
    compute: Compute,
    *,
    free: int,
    shards: int = 1,
    processes: int = 1,
    adapters: int | None = None,
) -> str:
    """One line: what the run needs, what the device has, and, when that is close, which options help and by how much.

    Raises InputError with the same words when it clearly does not fit.
    """
    needed = memory_needed(config, step, compute, shards, adapters)
    line = f"{name} at batch {step.rows} needs about {_gb(needed)} GB; this device has {_gb(free)} GB free"
    if needed <= 0.9 * free:
        return line
    one = Step(1, step.length, -(-step.graded // step.rows))
    options = [
        ("--micro-batch-size 1", one, compute, shards),
        ("--checkpoint-activations", step, replace(compute, checkpoint_activations=True), shards),
        ("--precision bf16", step, replace(compute, precision="bf16"), shards),
        (f"--shard, over {max(2, processes)} processes", step, compute, max(2, processes, shards)),
    ]
    if adapters is not None:
        options.pop()  # adapters are not sharded
    better = [(flag, memory_needed(config, s, c, n, adapters)) for flag, s, c, n in options]
    helps = ", ".join(f"{flag} ({_gb(then)} GB)" for flag, then in better if then < 0.95 * needed)
    line += f"; what helps: {helps or 'a smaller model, or a larger device'}"
    if needed > TOO_MUCH * free:
        raise InputError(line)
    return line


def _gb(n: float) -> str:
    return f"{n / 1e9:.0f}" if n >= 9.95e9 else f"{n / 1e9:.1f}"


# --- arithmetic ---


def training_flops(config: GPTConfig, tokens: int, graded: int, length: float) -> float:
    """Floating-point operations that training on `tokens` needs, `graded` of them with logits, in rows of `length`.

    6 for each token and weight of a matrix product (2 forward, 4 backward), and 12 * layers * width * length for each
    token's attention (Chowdhery et al. 2022, appendix B). What is computed twice to save memory is not counted twice.
    """
    c, d = config.n_embd, config.d_inner
    matrices = config.n_layer * (4 * c * c + 2 * c * d)
    return 6.0 * (tokens * matrices + graded * config.vocab_size * c) + 12.0 * config.n_layer * c * length * tokens
