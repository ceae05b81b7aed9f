"""How time and memory of training grow: `.venv-bench/bin/python bench/scaling.py --out bench/results/scaling.json`.

Four ladders, one thing changed at a time: the number of examples of a run (memory must not grow), the tokens of a row,
the rows of a batch, the size of the model. Each rung is a process of its own; the growth is a straight line through the
logarithms (least squares), and its slope the exponent: 1 is linear, 0 is flat.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from unit import peak_gb

from ift_lib.batching import batch_order
from ift_lib.encoding import EOT, Encoded
from ift_lib.hardware import FP32, Step, memory_needed, parameter_count, training_flops
from ift_lib.model import GPT, SIZES, GPTConfig
from ift_lib.training import Run, TrainConfig

POCKET = SIZES["pocket"]
WIDTHS = {f"{c} wide, {n} blocks": GPTConfig(n_positions=512, n_embd=c, n_layer=n, n_head=c // 64)
          for c, n in ((128, 4), (256, 8), (384, 8), (512, 12), (768, 12))}  # fmt: skip
LADDERS: dict[str, list[dict[str, Any]]] = {
    "examples": [{"examples": n} for n in (100, 1_000, 10_000, 100_000)],
    "tokens in a row": [{"length": n} for n in (32, 64, 128, 256, 512)],
    "rows in a batch": [{"batch": n} for n in (1, 4, 16, 64)],
    "parameters": [{"config": name} for name in WIDTHS],
}


def rung(examples: int = 256, length: int = 64, batch: int = 8, config: str = "") -> dict[str, float]:
    """Seconds and memory of steps on made-up rows that share nothing; a quarter of each is graded.

    For `examples` the time is that of a whole epoch's planning (the order of the batches) and of one step.
    """
    shape = WIDTHS[config] if config else POCKET
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 50_000, (min(examples, 2_000), length), generator=generator).tolist()
    encoded = [Encoded((*rows[i % len(rows)], EOT), length * 3 // 4) for i in range(examples)]
    model = GPT(shape).init_weights(generator)
    run = Run(model, encoded, encoded[:1], TrainConfig(batch_size=batch), FP32)
    start = time.perf_counter()
    order = batch_order([length + 1] * examples, batch, seed=0, epoch=0)
    planned = time.perf_counter() - start
    seconds = []
    for indices in (order * 8)[:7]:
        start = time.perf_counter()
        run.take_step(indices)
        seconds.append(time.perf_counter() - start)
    return {
        "planning": planned,
        "step": statistics.median(seconds[2:]),
        "peak_gb": peak_gb(),
        "parameters": parameter_count(shape),
    }


def exponent(sizes: list[float], values: list[float]) -> tuple[float, float]:
    """value = factor * size ** slope, by least squares on the logarithms: (slope, factor)."""
    slope, offset = np.polyfit(np.log(sizes), np.log(values), 1)
    return float(slope), math.exp(offset)


def prediction(seconds_per_flop: float) -> dict[str, dict[str, float]]:
    """For OpenAI's sizes at batch 8 of 64 tokens, 16 of them graded: seconds by arithmetic, memory by the estimate."""
    step = Step(rows=8, length=64, graded=8 * 16)
    return {
        name: {
            "seconds": round(training_flops(SIZES[name], 8 * 64, 8 * 16, 64) * seconds_per_flop, 1),
            "gb": round(memory_needed(SIZES[name], step, FP32) / 1e9, 1),
        }
        for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")
    }


def short(number: float) -> str:
    """12,000 as 12k, 7,291,776 as 7M."""
    return f"{number / 1e6:.0f}M" if number >= 1e6 else f"{number / 1e3:.0f}k" if number >= 1e3 else f"{number:g}"


def draw(ladders: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Seconds of a step (above) and peak memory (below) along each ladder, both axes logarithmic."""
    figure, axes = plt.subplots(2, len(ladders), figsize=(12, 5), sharey="row", layout="constrained")
    for column, (name, rungs) in enumerate(ladders.items()):
        for row, (key, label) in enumerate((("step", "seconds of a step"), ("peak_gb", "peak memory, GB"))):
            ax = axes[row, column]
            ax.loglog([r["size"] for r in rungs], [r[key] for r in rungs], "o-", color="#0072b2")
            ax.grid(alpha=0.3)
            ax.set_xticks([r["size"] for r in rungs], [short(r["size"]) for r in rungs])
            ax.minorticks_off()
            ticks = (0.1, 0.3, 1, 3) if key == "step" else (0.5, 1, 2, 3)
            ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
            if row:
                ax.set_xlabel(name)
            if not column:
                ax.set_ylabel(label)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rung", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(2)
    if args.rung is not None:
        print(json.dumps(rung(**args.rung)))
        return
    if args.out is None:
        parser.error("--out is missing")
    ladders: dict[str, list[dict[str, Any]]] = {}
    for name, settings in LADDERS.items():
        ladders[name] = []
        for setting in settings:
            command = [sys.executable, __file__, "--rung", json.dumps(setting)]
            found = json.loads(subprocess.check_output(command))
            [value] = setting.values()
            ladders[name].append(found | {"size": found["parameters"] if name == "parameters" else value})
            print(name, value, found, file=sys.stderr)
    growth = {
        name: {key: round(exponent([r["size"] for r in rungs], [r[key] for r in rungs])[0], 2)
               for key in ("planning", "step", "peak_gb")}
        for name, rungs in ladders.items()
    }  # fmt: skip
    last = ladders["parameters"][-1]
    wide = list(WIDTHS.values())[-1]
    per_flop = last["step"] / training_flops(wide, 8 * 64, 8 * 16, 64)
    facts = {
        "date": date.today().isoformat(), "machine": platform.platform(), "ladders": ladders, "growth": growth,
        "gflops": round(1e-9 / per_flop), "prediction": prediction(per_flop),
    }  # fmt: skip
    args.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    draw(ladders, args.out.with_suffix(".png"))
    print(json.dumps({"growth": growth, "prediction": facts["prediction"]}, indent=1))


if __name__ == "__main__":
    main()
