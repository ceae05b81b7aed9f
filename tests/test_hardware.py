"""hardware.py: devices, precision, the memory estimate against arithmetic and against a process's real memory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from tiny import make_tiny

from ift_lib.encoding import EOT, Encoded
from ift_lib.errors import InputError
from ift_lib.hardware import (
    FP32,
    Compute,
    Step,
    check_memory,
    choose_device,
    choose_precision,
    memory_needed,
    parameter_count,
    training_flops,
)
from ift_lib.model import GPT, SIZES, GPTConfig
from ift_lib.training import TrainConfig, train

STEP = Step(rows=8, length=256, graded=512)


@pytest.mark.parametrize("name", SIZES)
def test_parameters_are_counted_without_the_model(name: str) -> None:
    """Prevents an estimate for another shape than the one that runs."""
    with torch.device("meta"):
        assert parameter_count(SIZES[name]) == GPT(SIZES[name]).parameter_count()


def test_the_parts_of_the_estimate() -> None:
    """Prevents a term that is forgotten, or counted for the wrong thing; the numbers are worked out by hand."""
    xl, P = SIZES["gpt2-xl"], parameter_count(SIZES["gpt2-xl"])
    tokens, c, V = 8 * 256, 1600, 50257
    activations, logits = tokens * 48 * (8 * c + 4 * 15 * c), 512 * V * 4
    assert memory_needed(xl, STEP, FP32) == 16 * P + activations + logits
    half = memory_needed(xl, STEP, Compute("bf16"))
    assert half == 18 * P + tokens * 48 * (8 * c + 2 * 15 * c) + 512 * V * 8
    recomputed = memory_needed(xl, STEP, Compute(checkpoint_activations=True))
    assert recomputed == 16 * P + tokens * (48 * 4 * c + 68 * c) + logits
    assert memory_needed(xl, STEP, FP32, shards=8) < memory_needed(xl, STEP, FP32) - 16 * P * 6 / 8


def test_what_does_not_fit_is_said_with_what_helps() -> None:
    """Prevents an out-of-memory traceback after minutes, and advice that would not help."""
    xl = SIZES["gpt2-xl"]
    line = check_memory("gpt2-xl", xl, STEP, FP32, free=80 * 10**9)
    assert line == "gpt2-xl at batch 8 needs about 36 GB; this device has 80 GB free"
    with pytest.raises(InputError) as error:
        check_memory("gpt2-xl", xl, STEP, FP32, free=24 * 10**9)
    assert str(error.value).startswith("gpt2-xl at batch 8 needs about 36 GB; this device has 24 GB free; what helps: ")
    for flag in ("--micro-batch-size 1 (", "--checkpoint-activations (", "--shard, over 2"):
        assert flag in str(error.value)
    assert "--precision" not in str(error.value)  # halves the activations, and adds 2 bytes a parameter: 34 GB
    close = check_memory("gpt2-xl", xl, STEP, FP32, free=35 * 10**9)  # may fit: say so, and try
    assert "what helps" in close
    small = check_memory("gpt2-xl", xl, Step(1, 8, 8), Compute("bf16", False, True), free=25 * 10**9)
    assert "--micro-batch-size" not in small and "--precision" not in small and "--shard" in small


MEASURE = """
import sys, torch
from tiny import peak_kib
from ift_lib.encoding import EOT, Encoded
from ift_lib.hardware import Compute
from ift_lib.model import GPT, GPTConfig
from ift_lib.training import Run, TrainConfig
torch.set_num_threads(1)
rows, recompute = int(sys.argv[1]), sys.argv[2] == "True"
model = GPT(GPTConfig(n_positions=256, n_embd=192, n_layer=8, n_head=6)).init_weights(torch.Generator().manual_seed(0))
examples = [Encoded((*range(1, 201), EOT), 180)] * rows
compute = Compute(checkpoint_activations=recompute, layout="padded")
run = Run(model, examples, examples, TrainConfig(batch_size=rows, micro_batch_size=rows), compute)
for _ in range(2):
    run.take_step(range(rows))
print(peak_kib() * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("recompute", [False, True])
def test_the_estimate_is_near_what_a_process_takes(recompute: bool) -> None:
    """Prevents an estimate that is only arithmetic: the rise of a real process's peak from batch 12 to batch 24."""
    allocator = {"MALLOC_MMAP_THRESHOLD_": "131072"}  # or glibc keeps up to a third more, another share on each CPU
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | allocator
    peak = {
        rows: int(subprocess.check_output([sys.executable, "-c", MEASURE, str(rows), str(recompute)], env=env))
        for rows in (12, 24)
    }
    config, compute = GPTConfig(n_positions=256, n_embd=192, n_layer=8, n_head=6), Compute("fp32", False, recompute)
    needed = {rows: memory_needed(config, Step(rows, 200, rows * 21), compute) for rows in (12, 24)}
    assert peak[24] - peak[12] == pytest.approx(needed[24] - needed[12], rel=0.25)


def test_devices_and_precisions_are_chosen_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents bf16 where it is slower or missing, and a process that takes another's GPU."""
    cpu = torch.device("cpu")
    assert (choose_precision("auto", cpu), choose_precision("bf16", cpu)) == ("fp32", "bf16")
    with pytest.raises(InputError, match="unknown; choose auto, fp32 or bf16"):
        choose_precision("fp8", cpu)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda", 1)
    assert choose_device("cpu") == cpu
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(InputError, match="has 2; start as many processes"):
        choose_device("auto")


def test_flops_are_six_for_each_weight_and_token() -> None:
    """Prevents a utilisation that counts products which are not made: logits of the prompt."""
    config = SIZES["gpt2"]
    matrices = 12 * 12 * 768**2
    assert training_flops(config, 1000, 0, 0) == 6 * 1000 * matrices
    assert training_flops(config, 1000, 10, 0) - training_flops(config, 1000, 0, 0) == 6 * 10 * 50257 * 768
    assert training_flops(config, 1, 0, 100) - training_flops(config, 1, 0, 0) == 12 * 12 * 768 * 100


SET = [Encoded((*range(1, n), EOT), 2) for n in (5, 9, 12, 20, 7, 8)]
CONFIG = TrainConfig(epochs=2, batch_size=3, lr=1e-3)


def test_recomputed_activations_give_the_same_bits() -> None:
    """Prevents checkpointing from changing the run: dropout must fall on the same places the second time."""
    runs = []
    for recompute in (False, True):
        model = make_tiny(dropout=0.1)
        runs.append(train(model, SET[:4], SET[4:], CONFIG, compute=Compute(checkpoint_activations=recompute)))
    assert runs[0] == runs[1]


def test_bf16_keeps_weights_moments_and_loss_in_fp32() -> None:
    """Trap 15. Prevents pure bf16, in which small updates round to nothing."""
    model = make_tiny()
    half = train(model, SET[:4], SET[4:], CONFIG, compute=Compute("bf16"))
    full = train(make_tiny(), SET[:4], SET[4:], CONFIG)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    losses = [[p.loss for p in h.validation] for h in (half, full)]
    assert losses[0] == pytest.approx(losses[1], rel=0.02) and losses[0] != losses[1]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_freed_memory_is_kept_when_asked() -> None:
    """Bug: an option of the allocator that does nothing, and every step waits for fresh memory."""
    code = """
import re, sys, torch
from pathlib import Path
from ift_lib.hardware import keep_freed_memory
resident = lambda: int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
if sys.argv[1] == "keep":
    assert keep_freed_memory()
before = resident()
block = torch.ones(50_000_000)
del block
print(resident() - before)
"""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    left = {how: int(subprocess.check_output([sys.executable, "-c", code, how], env=env)) for how in ("keep", "give")}
    assert left["keep"] > 190_000 and left["give"] < 20_000  # of 195,000 KiB
