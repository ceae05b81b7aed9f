"""Fine-tuning at GPT-2's sizes: tokens a second, model-flops utilisation, peak memory against the estimate.

    python bench/gpu_sizes.py --out gpu_sizes.json                      124M to 1558M on the GPU, bf16
    python bench/gpu_sizes.py --sizes pocket --steps 2 --device cpu     a rehearsal
    torchrun --nproc-per-node=8 …                                       is not for this: it measures one device

Random weights: the speed does not depend on them. The examples are the course's own, so padding and masked prompts
are those of a real run. The first steps (--warm-up) are not timed.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from ift_lib.batching import batch_order
from ift_lib.data import EMBEDDED, load_examples
from ift_lib.encoding import encode_example
from ift_lib.hardware import Compute, Step, choose_device, choose_precision, memory_needed, training_flops
from ift_lib.model import GPT, SIZES
from ift_lib.templates import ALPACA
from ift_lib.training import Run, TrainConfig

# Dense bf16 products a second, by NVIDIA's data sheets; another device: --peak.
PEAK_TFLOPS = {"H200": 989, "H100": 989, "A100": 312, "L4": 121}


def measure(name: str, args: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Train one size for a few steps."""
    config = SIZES[name]
    with device:
        model = GPT(config)
    model.init_weights()
    compute = Compute(choose_precision(args.precision, device), args.compile, args.checkpoint_activations)
    examples = [encode_example(e, ALPACA) for e in load_examples(EMBEDDED)]
    examples = [e for e in examples if len(e) <= config.n_positions]
    run = Run(model.train(), examples, examples[:1], TrainConfig(batch_size=args.batch_size), compute)
    batches = batch_order([len(e) for e in examples], args.batch_size, seed=123, epoch=0)
    batches = [b for b in batches if len(b) == args.batch_size][: args.warm_up + args.steps]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    for indices in batches[: args.warm_up]:
        run.take_step(indices)
    started = time.perf_counter()  # take_step reads the loss, so the device has finished when it returns
    for indices in batches[args.warm_up :]:
        run.take_step(indices)
    seconds = time.perf_counter() - started

    timed = run.history.train[args.warm_up :]
    tokens = timed[-1].tokens - run.history.train[args.warm_up - 1].tokens
    flops = training_flops(config, tokens, sum(p.graded for p in timed), tokens / (len(timed) * args.batch_size))
    widest = max((run.micro_batches(indices)[0] for indices in batches), key=lambda b: b.inputs.numel())
    step = Step(*widest.inputs.shape, widest.graded)
    peak = args.peak or next((t for kind, t in PEAK_TFLOPS.items() if kind in device_name(device)), None)
    return {
        "model": name,
        "parameters": model.parameter_count(),
        "batch_size": args.batch_size,
        **compute.__dict__,
        "steps": len(timed),
        "tokens_per_second": round(tokens / seconds),
        "tflops_per_second": round(flops / seconds / 1e12, 3),
        "mfu": round(flops / seconds / (peak * 1e12), 4) if peak else None,
        "peak_memory_gb": round(torch.cuda.max_memory_allocated(device) / 1e9, 2) if device.type == "cuda" else None,
        "estimated_memory_gb": round(memory_needed(config, step, compute) / 1e9, 2),
    }


def device_name(device: torch.device) -> str:
    """As its maker calls it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=[name for name in SIZES if name != "pocket"])
    parser.add_argument("--steps", type=int, default=20, help="timed steps (default: 20)")
    parser.add_argument("--warm-up", type=int, default=5, help="steps before them (default: 5, at least 1)")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--checkpoint-activations", action="store_true")
    parser.add_argument("--peak", type=float, help="the device's dense bf16 TFLOP/s, where we do not know it")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    args = parser.parse_args()
    device = choose_device(args.device)
    result: dict[str, Any] = {
        "command": shlex.join(["python", *sys.argv]),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "device": device_name(device),
        "torch": torch.__version__,
        "sizes": [],
    }
    for name in args.sizes:
        result["sizes"].append(measure(name, args, device))
        print(json.dumps(result["sizes"][-1]))
        if args.out:  # after each: a size that does not fit loses no other's numbers
            args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
