"""Us beside the peers, in one go: `make bench`, or

    .venv-bench/bin/python bench/speed.py --shape gpt2 --rounds 3 --out bench/results/gpt2.json

Units (bench/unit.py, a process each) are interleaved: each round runs them all, every other round in reverse, so that a
machine that slows down meets all alike. A rate is the median over the rounds; the spread beside it is of the rounds. A
round in which other programs took more than 6 % of the processors is marked. Nothing here is a test: a time is looked
at, never asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
EMBEDDED = ROOT / "ift_lib" / "assets" / "instructions.json"
DISTURBED = 0.06
KEEP_FREED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "2147483647", "MALLOC_TOP_PAD_": "67108864"}
"""With --allocator, for everybody: glibc keeps what is freed, which helps whoever allocates much in every step."""


@dataclass(frozen=True)
class Goal:
    """That `who` is so many times as fast as `over`; both with the same objective."""

    job: str
    who: str
    over: str
    must: float
    aim: float


GOALS = [
    Goal("train-all", "ours", "book", 2.0, 2.8),
    Goal("train-all", "ours", "transformers", 2.0, 2.8),
    Goal("train-all", "ours, nothing shared", "book", 1.5, 2.0),
    Goal("train-response", "ours", "TRL, completion only", 3.2, 4.5),
    Goal("train-response", "ours, bf16", "TRL, completion only", 4.7, 7.0),
    Goal("evaluate", "ours", "book", 2.0, 2.8),
    Goal("evaluate", "ours", "transformers", 2.0, 2.8),
    Goal("evaluate", "ours, bf16", "book", 3.0, 4.5),
    Goal("evaluate", "ours, bf16", "transformers", 3.0, 4.5),
    Goal("generate", "ours", "transformers", 1.3, 2.0),
    Goal("generate", "ours, bf16", "transformers", 2.3, 4.0),
]
"""For the shape of GPT-2 124M. What is compared in bf16 with a peer in fp32 stands beside the peer in bf16 too."""
MEMORY = (0.7, 0.6)
"""Must and aim: our peak in `train-all` over the book's."""
EVERYBODY = {
    "train-all": [
        "ours", "ours, nothing shared", "ours, padded", "ours, bf16", "book", "transformers", "transformers, bf16",
        "transformers Trainer", "TRL, padded", "TRL, packed", "litgpt",
    ],
    "train-response": [
        "ours", "ours, nothing shared", "ours, bf16", "TRL, completion only", "TRL, completion only, bf16",
    ],
    "evaluate": ["ours", "ours, bf16", "book", "transformers", "transformers, bf16"],
    "generate": ["ours", "ours, bf16", "transformers", "transformers, bf16", "transformers, one by one", "book"],
    "tokenise": ["ours", "tiktoken in a loop", "transformers, fast tokenizer"],
}  # fmt: skip
STARTS = {
    "import ift_lib": ["-c", "import ift_lib"],
    "ift --help": ["-m", "ift_lib", "--help"],
    "import torch": ["-c", "import torch"],
    "import transformers": ["-c", "import transformers"],
}
Results = dict[str, dict[str, list[dict[str, Any]]]]


def run_unit(job: str, who: str, args: argparse.Namespace) -> dict[str, Any]:
    """What the unit printed, or its error."""
    command = [sys.executable, str(ROOT / "bench" / "unit.py"), job, who, "--shape", args.shape]
    command += ["--data", str(args.data), "--steps", str(args.steps), "--threads", str(args.threads)]
    env = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
    env |= KEEP_FREED if args.allocator else {}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"error": "not installed" if "ModuleNotFoundError" in last else last[:200]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def start_up(rounds: int) -> dict[str, float]:
    """Median seconds of starting a Python that does one thing."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    seconds: dict[str, list[float]] = {name: [] for name in STARTS}
    for _ in range(rounds + 1):
        for name, command in STARTS.items():
            start = time.perf_counter()
            failed = subprocess.run([sys.executable, *command], capture_output=True, env=env).returncode
            seconds[name].append(float("nan") if failed else time.perf_counter() - start)
    return {name: round(statistics.median(all_[1:]), 3) for name, all_ in seconds.items()}


def rate(units: list[dict[str, Any]]) -> float | None:
    """Tokens (or examples) a second: the median over the rounds; None if a round failed."""
    return statistics.median(u["rate"] for u in units) if units and all("rate" in u for u in units) else None


def ratio(results: Results, job: str, who: str, over: str) -> float | None:
    """How many times as fast."""
    ours, theirs = (rate(results.get(job, {}).get(name, [])) for name in (who, over))
    return ours / theirs if ours and theirs else None


def verdict(value: float, must: float, aim: float, *, lower: bool = False) -> str:
    """Whether a ratio reaches its goals."""
    reached = (lambda goal: value <= goal) if lower else (lambda goal: value >= goal)
    return "aim" if reached(aim) else "must" if reached(must) else "MISSED"


def goals_table(results: Results) -> list[str]:
    """Each goal with what was measured."""
    lines = ["| what | over | ratio | must | aim | reached |", "|---|---|---:|---:|---:|---|"]
    for g in GOALS:
        if (r := ratio(results, g.job, g.who, g.over)) is not None:
            told = verdict(r, g.must, g.aim)
            lines.append(f"| {g.job}: {g.who} | {g.over} | {r:.2f} | {g.must} | {g.aim} | {told} |")
    peaks = [results.get("train-all", {}).get(who, []) for who in ("ours", "book")]
    if all(units and all("peak_gb" in u for u in units) for units in peaks):
        ours, theirs = (max(u["peak_gb"] for u in units) for units in peaks)
        told = verdict(ours / theirs, *MEMORY, lower=True)
        lines.append(f"| peak memory of training | book | {ours / theirs:.2f} | {MEMORY[0]} | {MEMORY[1]} | {told} |")
    return lines


def near_the_limit(who: str, unit: dict[str, Any], rate: float, machine: dict[str, Any]) -> str:
    """How much of what the machine can do went into what the task needs: arithmetic, or reading the weights."""
    number = "bfloat16" if "bf16" in who else "float32"
    products = [rates[number] for name, rates in machine.items() if name.startswith("block")]
    if "gflop_per_token" in unit and products:
        return f"{rate * unit['gflop_per_token'] / max(products):.0%}"
    if "gb_per_token" in unit and machine:
        return f"{rate * unit['gb_per_token'] / machine['copy to kept memory']:.0%}"
    return ""


def job_table(job: str, units: dict[str, list[dict[str, Any]]], machine: dict[str, Any]) -> list[str]:
    """One job, everybody in it."""
    unit = "texts/s" if job == "tokenise" else "tokens/s"
    columns = [job, unit, "rounds", "× ours", "examples/s", "of the limit", "first loss", "peak GB"]
    lines = ["| " + " | ".join(columns) + " |", "|---|---:|---|---:|---:|---:|---:|---:|"]
    ours = rate(units.get("ours", []))
    for who, rounds in units.items():
        r = rate(rounds)
        if r is None:
            lines.append(f"| {who} | {next((u['error'] for u in rounds if 'error' in u), 'not run')} | | | | | | |")
            continue
        rates = [u["rate"] for u in rounds]
        marks = "".join("*" for u in rounds if u["others_cpu"] > DISTURBED)
        loss = f"{rounds[0]['loss']:.6f}" if "loss" in rounds[0] else ""
        times = f"{r / ours:.2f}" if ours else ""
        peak = max(u["peak_gb"] for u in rounds)
        each = f"{r / rounds[0]['tokens_per_example']:.1f}" if "tokens_per_example" in rounds[0] else ""
        limit = near_the_limit(who, rounds[0], r, machine)
        spread = f"{min(rates):,.0f}–{max(rates):,.0f} {marks}"
        lines.append(f"| {who} | {r:,.0f} | {spread} | {times} | {each} | {limit} | {loss} | {peak:.1f} |")
    return lines


def bounds_table(results: Results, machine: dict[str, Any]) -> list[str]:
    """What holds us: the time of our own products and memory traffic, if nothing else took any."""
    lines = [
        "| what holds us | products, s | memory, s | bound, tokens/s | measured | share |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for job, units in results.items():
        for who in (name for name in units if name.startswith("ours") and rate(units[name])):
            half, unit = "bfloat16" if "bf16" in who else "float32", units[who][0]
            if "work" in unit:
                w = unit["work"]
                head = machine["head, 100 rows" if job == "train-response" else "head, 300 rows"]
                products = w["blocks_gflop"] / machine["block, 300 rows"][half]
                products += w["head_gflop"] / head[half if job == "evaluate" else "float32"]  # which trains in fp32
                moving = (
                    w["kept_gb"] / machine["copy to kept memory"] + w["fresh_gb"] / machine["write to fresh memory"]
                )
                tokens = w["tokens"]
            elif "decode_gflop_per_token" in unit:
                tokens, moving = 1, 0.0
                products = unit["decode_gflop_per_token"] / machine["decode, 16 rows"][half]
            else:
                continue
            bound, measured = tokens / (products + moving), rate(units[who])
            times = f"{products:.3g} | {moving:.3g}"
            lines.append(f"| {job}: {who} | {times} | {bound:,.0f} | {measured:,.0f} | {measured / bound:.0%} |")
    return lines


def machine_table(machine: dict[str, Any]) -> list[str]:
    """What the machine can do."""
    lines = ["| matrix product | fp32 GFLOP/s | bf16 GFLOP/s |", "|---|---:|---:|"]
    lines += [f"| {n} | {v['float32']} | {v['bfloat16']} |" for n, v in machine.items() if isinstance(v, dict)]
    return lines + [f"\n{n}: {v} GB/s" for n, v in machine.items() if not isinstance(v, dict)]


def report(facts: dict[str, Any]) -> str:
    """All tables, as Markdown."""
    parts = [goals_table(facts["results"])] if facts["shape"] == "gpt2" else []
    parts += [job_table(job, units, facts.get("machine") or {}) for job, units in facts["results"].items()]
    if facts.get("machine"):
        parts += [bounds_table(facts["results"], facts["machine"]), machine_table(facts["machine"])]
    starts = facts.get("starts", {})
    parts.append(["| start | seconds |", "|---|---:|", *(f"| `{n}` | {s:.2f} |" for n, s in starts.items())])
    head = (
        f"{facts['shape']}, {facts['rounds']} rounds of {facts['steps']} steps, batch 8, {facts['threads']} threads, "
        f"{facts['cpu']}, {facts['date']}" + (", everybody keeping freed memory (glibc)" if facts["allocator"] else "")
    )
    note = f"A * is a round in which other programs took more than {DISTURBED:.0%} of the processors."
    return "\n\n".join([head, *("\n".join(lines) for lines in parts), note])


def cpu_name() -> str:
    """The processor, and whether it computes in bf16 (Linux)."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    name = next(
        (line.split(": ")[1] for line in text.splitlines() if line.startswith("model name")), platform.machine()
    )
    bf16 = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in text]
    return f"{name} ({', '.join(bf16) or 'no bf16'}), {os.cpu_count()} cores"


def versions() -> dict[str, str]:
    found = {}
    for name in ("torch", "transformers", "trl", "litgpt", "llms-from-scratch", "accelerate", "tiktoken"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="gpt2", help="gpt2 (default), pocket, or another name of SIZES")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4, help="timed steps of a training unit")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, default=EMBEDDED, help="instructions (default: our own)")
    parser.add_argument("--jobs", nargs="+", default=list(EVERYBODY), choices=list(EVERYBODY))
    parser.add_argument("--only", default="", help="only those whose name contains this")
    parser.add_argument("--allocator", action="store_true", help="everybody keeps freed memory")
    parser.add_argument("--out", type=Path, help="also write everything as JSON, and the tables beside it")
    args = parser.parse_args()
    who = [(job, name) for job in args.jobs for name in EVERYBODY[job] if args.only in name]
    results: Results = {job: {} for job in args.jobs}
    for job, name in who:
        results[job][name] = []
    for number in range(args.rounds):
        for job, name in who if number % 2 == 0 else who[::-1]:
            if any("error" in unit for unit in results[job][name]) or (job == "tokenise" and number > 1):
                continue
            results[job][name].append(run_unit(job, name, args))
            print(
                number + 1,
                job,
                name,
                {k: v for k, v in results[job][name][-1].items() if k != "rates"},
                file=sys.stderr,
            )
    facts = {
        "date": date.today().isoformat(), "cpu": cpu_name(), "python": platform.python_version(),
        "versions": versions(), "data": args.data.name, "shape": args.shape, "rounds": args.rounds,
        "steps": args.steps, "threads": args.threads, "allocator": args.allocator, "results": results,
        "machine": run_unit("machine", "all", args).get("machine"), "starts": start_up(args.rounds),
    }  # fmt: skip
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        args.out.with_suffix(".md").write_text(report(facts) + "\n", encoding="utf-8")  # book/beyond/speed.md shows it
    print(report(facts))


if __name__ == "__main__":
    main()
