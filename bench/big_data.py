"""What a data set of N examples costs `ift run`: memory, start-up, steps; for N from a thousand to a million.

    python bench/big_data.py --sizes 1000 10000 100000 1000000 --out bench/results/big_data.json

For each N: make the data file (the same bytes every time), start `ift run` twice with an empty cache before the first,
let it take some steps, and end it. Memory is what Linux counts as resident: VmHWM and VmRSS of /proc. The times are
those of whatever else the machine did: on a machine that is not idle they are upper bounds. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any

OPTIONS = ["--epochs", "1", "--max-validation", "16", "--max-test", "16"]
CATEGORIES = "plural synonym rewrite question summary classify".split()


def make_data(path: Path, count: int) -> None:
    """`count` Alpaca entries of made-up and of English words, one a line, about 320 bytes each; no two the same."""
    made = random.Random(0)
    syllable = lambda: made.choice("bcdfglmnprst") + made.choice("aeiou")  # noqa: E731
    words = ["".join(syllable() for _ in range(made.randint(1, 4))) for _ in range(4000)]
    words += "the of and to in a is that for it as was with be by on not he this are at from or have an".split() * 80
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for i in range(count):
            rng = random.Random(i)
            say = lambda least, most, rng=rng: " ".join(rng.choices(words, k=rng.randint(least, most)))  # noqa: E731
            entry = {
                "instruction": f"Task {i}: {say(5, 15)}.",
                "input": say(10, 30) if i % 2 else "",
                "output": f"{say(5, 45)}.",
                "category": CATEGORIES[i % len(CATEGORIES)],
            }
            file.write(json.dumps(entry) + "\n")


def memory(pid: int) -> dict[str, float]:
    """Resident memory of a process in GB: now, the most ever, and of now the part that is its own and not a file's."""
    text = Path(f"/proc/{pid}/status").read_text()
    kib = {name: int(value) for name, value in re.findall(r"(\w+):\s+(\d+) kB", text)}
    return {name: round(kib[key] * 1024 / 1e9, 3) for name, key in
            (("now", "VmRSS"), ("peak", "VmHWM"), ("anonymous", "RssAnon"))}  # fmt: skip


def run_once(data: Path, out: Path, cache: Path, steps: int) -> dict[str, Any]:
    """Start a run, end it after `steps` steps; seconds from the start of the process, memory in GB."""
    command = [sys.executable, "-m", "ift_lib", "run", "--data", str(data), "--out", str(out), *OPTIONS]
    env = os.environ | {"IFT_CACHE": str(cache), "PYTHONUNBUFFERED": "1"}
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    since = lambda: round(time.perf_counter() - started, 2)  # noqa: E731
    result: dict[str, Any] = {}

    def watch_output() -> None:
        for line in process.stdout:
            if b"examples:" in line:
                result["ready"], result["peak_until_ready"] = since(), memory(process.pid)["peak"]

    watcher = threading.Thread(target=watch_output)
    watcher.start()
    said, first = b"", 0.0
    while (piece := process.stderr.read1()) or process.poll() is None:
        said += piece
        if "answered" not in result and (out / "before.json").exists():
            result["answered"] = since()
        done = [int(n) for n in re.findall(rb"(\d+)/\d+ \[", said)]
        if done and "first_step" not in result:
            result["first_step"], first = since(), time.perf_counter()
        if done and done[-1] >= steps:
            result["seconds_per_step"] = round((time.perf_counter() - first) / (done[-1] - 1), 3)
            result |= {f"{name}_in_steps": gb for name, gb in memory(process.pid).items()}
            break
    process.kill()
    process.wait()
    watcher.join()
    if "seconds_per_step" not in result:
        raise SystemExit(f"{' '.join(command)} ended before {steps} steps:\n{said.decode(errors='replace')}")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--steps", type=int, default=30, help="steps in each run")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows = []
    for count in args.sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            data = folder / "data.jsonl"
            make_data(data, count)
            row: dict[str, Any] = {"examples": count, "file_mb": round(data.stat().st_size / 1e6, 1)}
            for start in ("first", "second"):
                row[start] = run_once(data, folder / start, folder / "cache", args.steps)
            row["store_mb"] = round(sum(p.stat().st_size for p in folder.glob("cache/*/*")) / 1e6, 1)
        rows.append(row)
        print(json.dumps(row), flush=True)
    facts = {
        "command": "ift run --data data.jsonl " + " ".join(OPTIONS),
        "date": date.today().isoformat(),
        "machine": f"{platform.system()}, {platform.machine()}",
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "rows": rows,
    }
    args.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
