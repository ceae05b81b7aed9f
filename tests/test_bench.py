"""bench/: the units measure what they say, and the tables say what was measured. No time is asserted."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the units read /proc")


def unit(job: str, who: str) -> dict[str, Any]:
    """One unit at the tiny shape, one timed step."""
    command = [sys.executable, str(ROOT / "bench/unit.py"), job, who, "--shape", "tiny", "--steps", "1"]
    command += ["--data", str(ROOT / "ift_lib/assets/instructions.json"), "--threads", "1"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return dict(json.loads(subprocess.check_output(command, env=env)))


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("speed")


@pytest.mark.parametrize("job", ["train-all", "evaluate"])
def test_peers_compute_the_same_loss(job: str) -> None:
    """Bug: a peer that is slower, or faster, because it computes something else."""
    pytest.importorskip("transformers")
    found = {who: unit(job, who) for who in ("ours", "transformers")}
    assert found["ours"]["loss"] == pytest.approx(found["transformers"]["loss"], abs=1e-5)
    assert all(f["rate"] > 0 and 0.1 < f["peak_gb"] < 5 for f in found.values())


def test_all_of_us_train_alike() -> None:
    """Bug: a layout or a precision that is timed with another loss; bf16 has its own, wider gate."""
    losses = {
        who: unit("train-all", who)["loss"] for who in ("ours", "ours, nothing shared", "ours, padded", "ours, bf16")
    }
    plain = losses.pop("ours, padded")
    assert losses.pop("ours, bf16") == pytest.approx(plain, abs=2e-2)
    assert list(losses.values()) == pytest.approx([plain] * 2, abs=1e-5)


def made_up(rate: float, **more: Any) -> list[dict[str, Any]]:
    return [
        {"rate": rate * f, "peak_gb": 2.0, "others_cpu": c, **more} for f, c in ((0.9, 0.0), (1.0, 0.1), (1.2, 0.0))
    ]


def test_the_tables(speed: Any) -> None:
    """Bug: a goal called reached that is not, a failed peer that vanishes, a disturbed round that looks quiet."""
    results = {
        "train-all": {
            "ours": made_up(250, loss=10.9, gflop_per_token=0.4, tokens_per_example=50),
            "ours, nothing shared": made_up(100, loss=10.9, gflop_per_token=0.4, tokens_per_example=50),
            "book": made_up(100, loss=10.9, gflop_per_token=0.4, tokens_per_example=50),
            "litgpt": [{"error": "not installed"}],
        },
        "generate": {"ours": made_up(140, gb_per_token=0.05), "transformers": made_up(100)},
    }
    goals = "\n".join(speed.goals_table(results))
    assert "| train-all: ours | book | 2.50 | 2.0 | 2.8 | must |" in goals
    assert "| train-all: ours, nothing shared | book | 1.00 | 1.5 | 2.0 | MISSED |" in goals
    assert "| generate: ours | transformers | 1.40 | 1.3 | 2.0 | must |" in goals
    assert "| peak memory of training | book | 1.00 | 0.7 | 0.6 | MISSED |" in goals
    machine = {"block, 300 rows": {"float32": 200.0, "bfloat16": 900.0}, "copy to kept memory": 20.0}
    table = "\n".join(speed.job_table("train-all", results["train-all"], machine))
    assert "| ours | 250 | 225–300 * | 1.00 | 5.0 | 50% | 10.900000 | 2.0 |" in table  # 250 * 0.4 of 200 GFLOP/s
    assert "| book | 100 | 90–120 * | 0.40 | 2.0 | 20% |" in table and "| litgpt | not installed | | | | | | |" in table
    table = "\n".join(speed.job_table("generate", results["generate"], machine))
    assert "| ours | 140 | 126–168 * | 1.00 |  | 35% |  | 2.0 |" in table  # 140 * 0.05 of 20 GB/s


def test_every_name_can_be_run(speed: Any) -> None:
    """Bug: a goal about somebody whom nobody runs, or a table line that no unit knows."""
    unit_module, peers = importlib.import_module("unit"), importlib.import_module("peers")
    known = {**peers.TRAINERS, "evaluate": peers.EVALUATORS, "generate": peers.GENERATORS}
    for job, names in speed.EVERYBODY.items():
        assert set(names) == set(known.get(job, unit_module.TOKENISERS))
    for goal in speed.GOALS:
        assert {goal.who, goal.over} <= set(speed.EVERYBODY[goal.job])
