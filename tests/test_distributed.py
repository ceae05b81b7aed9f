"""Many processes, one result: real torchrun and gloo, 2 and 4 processes, a tiny model (distributed_scenarios.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import make_tiny

from ift_lib import cli
from ift_lib.data import Example, save_examples
from ift_lib.export import export_pretrained

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent
SCENARIOS = str(TESTS / "distributed_scenarios.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]


def torchrun(processes: int, *arguments: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Start `processes` of them and wait; a job that hangs is ended after ten minutes."""
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    own = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **env}
    command = [*TORCHRUN, f"--nproc-per-node={processes}", "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    with subprocess.Popen(
        [*command, *arguments], cwd=cwd, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as job:
        try:
            out, err = job.communicate(timeout=600)
        except subprocess.TimeoutExpired:
            job.terminate()  # torchrun then ends its processes; killed, it would leave them behind
            raise
    return subprocess.CompletedProcess(job.args, job.returncode, out, err)


def results(folder: Path) -> dict[str, Any]:
    return {p.stem: torch.load(p, weights_only=True) for p in folder.glob("*.pt")}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a single process makes of each scenario."""
    out = tmp_path_factory.mktemp("one")
    names = ["plain", "early", "answers"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, SCENARIOS, str(out), *names], env=env, check=True)
    return results(out)


@pytest.fixture(scope="module", params=[2, 4])
def many(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What several make of it, with DDP and with FSDP2."""
    out = tmp_path_factory.mktemp("many")
    names = ["plain", "pieces", "recomputed", "early", "answers"]
    done = torchrun(request.param, SCENARIOS, str(out), "errors", *names, *(f"{name}-shard" for name in names))
    assert done.returncode == 0, done.stderr
    return results(out)


def assert_same_run(got: dict[str, Any], expected: dict[str, Any]) -> None:
    """Loss curves within 1e-5, final weights within 1e-4; every other number of the history equal."""
    for kind in ("train", "validation"):
        assert [p | {"loss": 0} for p in got["history"][kind]] == [p | {"loss": 0} for p in expected["history"][kind]]
        losses = [p["loss"] for p in expected["history"][kind]]
        assert [p["loss"] for p in got["history"][kind]] == pytest.approx(losses, abs=1e-5, rel=0)
    for name, weight in expected["weights"].items():
        torch.testing.assert_close(got["weights"][name], weight, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["plain", "pieces", "recomputed", "plain-shard", "pieces-shard", "recomputed-shard"])
def test_many_processes_train_as_one(one: dict[str, Any], many: dict[str, Any], name: str) -> None:
    """Traps 1 and 20. Prevents gradients divided by the wrong count (9 examples at batch 4: the last step leaves
    processes with nothing), clipped by the norm of a share, or summed over pieces of unequal number."""
    assert_same_run(many[name], one["plain"])


@pytest.mark.parametrize("name", ["early", "early-shard"])
def test_all_stop_at_once_where_one_would(one: dict[str, Any], many: dict[str, Any], name: str) -> None:
    """Trap 20. Prevents a rank that stops alone, on which the others wait for ever."""
    steps = [[p["step"] for p in run["history"]["validation"]] for run in (many[name], one["early"])]
    assert steps[0] == steps[1] and 0 < steps[0][-1] < 40 * 3


@pytest.mark.parametrize("name", ["answers", "answers-shard"])
def test_shared_out_prompts_get_the_same_answers(one: dict[str, Any], many: dict[str, Any], name: str) -> None:
    """Prevents answers in the order of the ranks, and a sharded model that waits for a rank whose rows have ended."""
    assert many[name] == one["answers"]


def test_an_error_of_one_rank_is_raised_on_all(many: dict[str, Any]) -> None:
    """Prevents waiting for a rank that has found no file (the scenario checks the words)."""
    assert "errors" in many


def test_a_run_goes_on_with_another_number_of_processes(one: dict[str, Any], tmp_path: Path) -> None:
    """Prevents a checkpoint that only the same number of processes, or the same way of sharing, can read."""
    assert torchrun(4, SCENARIOS, str(tmp_path), "resume-shard", STOP_AT="4").returncode == 0
    assert torchrun(2, SCENARIOS, str(tmp_path), "resume", STOP_AT="7").returncode == 0
    assert not results(tmp_path)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    subprocess.run([sys.executable, SCENARIOS, str(tmp_path), "resume"], env=env, check=True)
    assert_same_run(results(tmp_path)["resume"], one["plain"])


@pytest.mark.parametrize(("death", "shown"), [("raise", "RuntimeError: the tape ran out"), ("kill", "Signal 9")])
def test_a_dead_rank_ends_the_job_with_its_error(tmp_path: Path, death: str, shown: str) -> None:
    """Prevents a job that waits, for an hour, for a process that is gone."""
    done = torchrun(2, SCENARIOS, str(tmp_path), "death-shard" if death == "kill" else "death", DEATH=death)
    assert done.returncode != 0
    assert shown in done.stderr


# --- the command line ---

RUN = "run --data data.json --model tiny --template phi3 --epochs 2 --batch-size 4 --max-new-tokens 5".split()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data.json (30 examples) and tiny/ (a model)."""
    monkeypatch.chdir(tmp_path)
    save_examples("data.json", [Example(f"Count to {n}.", "", " ".join(map(str, range(n)))) for n in range(2, 32)])
    export_pretrained(make_tiny(), tmp_path / "tiny")
    return tmp_path


def test_the_whole_job_under_torchrun(place: Path) -> None:
    """Prevents two processes that write one folder, or print every line twice; and a resume only one process can do."""
    assert cli.main([*RUN, "--out", "one"]) == 0
    done = torchrun(2, "-m", "ift_lib", *RUN, "--out", "two", "--shard", "--checkpoint-activations", cwd=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("examples: 25 train") == done.stdout.count("the report: ") == 1
    assert {p.name for p in (place / "two").iterdir()} == {p.name for p in (place / "one").iterdir()}
    assert (place / "two/responses.jsonl").read_text() == (place / "one/responses.jsonl").read_text()
    losses = [json.loads((place / out / "history.json").read_text()) for out in ("one", "two")]
    for a, b in zip(losses[0]["train"], losses[1]["train"], strict=True):
        assert a["loss"] == pytest.approx(b["loss"], abs=1e-5)
    machine = json.loads((place / "two/machine.json").read_text())
    assert (machine["processes"], machine["sharded"], machine["checkpoint_activations"]) == (2, True, True)
    config = json.loads((place / "two/config.json").read_text())
    assert config["shard"] and config["checkpoint_activations"] and config["precision"] == "auto"

    # As if it had been interrupted after its training: the answers are made again, by two processes without shards.
    (place / "two/report.html").unlink()
    done = torchrun(2, "-m", "ift_lib", "run", "--resume", "two", "--no-shard", cwd=place)
    assert done.returncode == 0, done.stderr
    assert (place / "two/responses.jsonl").read_text() == (place / "one/responses.jsonl").read_text()


def test_a_slip_is_told_once(place: Path) -> None:
    """Prevents the same message from each of many processes, and a run folder made before it is known."""
    done = torchrun(2, "-m", "ift_lib", *RUN, "--data", "nothing.json", "--out", "two", cwd=place)
    assert done.returncode != 0
    assert done.stderr.count("ift: error: nothing.json: no such file") == 1
    assert not (place / "two").exists()


def test_sharding_needs_someone_to_share_with(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents --shard that silently does nothing in a single process."""
    assert cli.main([*RUN, "--shard"]) == 2
    assert "torchrun" in capsys.readouterr().err
