"""The curves for TensorBoard, read back with its own reader."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from optional import need
from tiny import make_tiny

from ift_lib import cli
from ift_lib.data import Example, save_examples
from ift_lib.export import export_pretrained
from ift_lib.history import History
from ift_lib.tensorboard_log import log_steps
from ift_lib.training import Progress, TrainConfig, learning_rate, train

need("tensorboard")
pytestmark = pytest.mark.filterwarnings("ignore")  # theirs


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard would draw: by name, (step, value)."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}


def assert_is_history(folder: Path, history: History, config: TrainConfig) -> None:
    """Single precision is what an event file keeps."""
    steps = history.train[-1].step
    assert scalars(folder) == {
        "loss/train": [(p.step, pytest.approx(p.loss, rel=1e-6)) for p in history.train],
        "loss/validation": [(p.step, pytest.approx(p.loss, rel=1e-6)) for p in history.validation],
        "learning_rate": [
            (step, pytest.approx(learning_rate(step - 1, steps, config), rel=1e-6)) for step in range(1, steps + 1)
        ],
    }


class Stop(Exception):
    """Thrown by a test to end a run as a crash would."""


def test_an_interrupted_run_draws_one_curve(examples: list[Example], tmp_path: Path) -> None:
    """Bug: steps that were lost stay in the curve beside those of the second try, or the old ones are missing."""
    from ift_lib.encoding import encode_example
    from ift_lib.templates import PHI3

    encoded = [encode_example(e, PHI3) for e in examples]
    config = TrainConfig(epochs=2, batch_size=4, patience=99)

    def crash(progress: Progress) -> None:
        if progress.step == 7:
            raise Stop

    def run(on_step: Any) -> History:
        with log_steps(tmp_path / "log", config, on_step) as told:
            return train(make_tiny(), encoded[:18], encoded[18:], config, checkpoint=tmp_path / "c", on_step=told)

    with pytest.raises(Stop):
        run(crash)
    assert scalars(tmp_path / "log")["loss/train"][-1][0] == 7
    seen: list[int] = []
    history = run(lambda progress: seen.append(progress.step))
    assert seen[-1] == history.train[-1].step == 10
    assert_is_history(tmp_path / "log", history, config)


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: an option that is parsed and forgotten; a run that asks for it where it is not installed."""
    monkeypatch.chdir(tmp_path)
    export_pretrained(make_tiny(), "tiny")
    save_examples("data.json", [Example(f"Count to {n}.", "", " ".join(map(str, range(n)))) for n in range(2, 32)])
    run = "run --data data.json --model tiny --template phi3 --epochs 2 --max-new-tokens 3".split()
    assert cli.main([*run, "--out", "quiet"]) == 0
    assert not Path("quiet/tensorboard").exists()
    assert cli.main([*run, "--tensorboard", "--out", "told"]) == 0
    config = TrainConfig(**json.loads(Path("told/config.json").read_text())["train"])
    assert_is_history(Path("told/tensorboard"), History.load("told/history.json"), config)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    capsys.readouterr()
    assert cli.main([*run, "--tensorboard", "--out", "without"]) == 2
    assert "pip install tensorboard" in capsys.readouterr().err
