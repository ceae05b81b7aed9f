"""`ift score`, with a tiny model and a small held-out set."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from test_heldout import write_task
from tiny import make_tiny

from ift_lib import cli
from ift_lib.course import score_command
from ift_lib.data import Example, save_examples
from ift_lib.evaluation.items import load_items
from ift_lib.export import export_pretrained
from ift_lib.generation import Response
from ift_lib.templates import CHATML

QUESTIONS = [
    Example("Which desk?", f"Message number {n} about the old {thing}.", "Repair", "desk")
    for n, thing in enumerate("tap lamp door roof bike oven clock piano".split())
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with task/ (the baseline has one of eight right), mine.json and the finished run runs/1."""
    monkeypatch.chdir(tmp_path)
    write_task(tmp_path / "task", QUESTIONS, ["Repair"] + ["Lost"] * 7)
    save_examples("mine.json", [Example("Which desk?", "The fridge is warm.", "Repair", "desk")])
    make_run("runs/1")
    return tmp_path


def make_run(folder: str, seed: int = 0, **changes: Any) -> None:
    """What `ift score` reads of a run."""
    export_pretrained(make_tiny(seed), Path(folder) / "model", template=CHATML)
    digest = hashlib.sha256(Path("mine.json").read_bytes()).hexdigest()
    config = {"data": "mine.json", "data_sha256": digest, "model": "pocket", "template": "chatml"}
    (Path(folder) / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    (Path(folder) / "split.json").write_text("{}", encoding="utf-8")


def answer(monkeypatch: pytest.MonkeyPatch, answers: list[str]) -> list[Any]:
    """Let the model say these; returns a list that fills with the templates it was asked in."""
    asked = []

    def respond(model: Any, examples: Any, template: Any, **_: Any) -> list[Response]:
        asked.append(template.name)
        return [Response(text, True) for text in answers]

    monkeypatch.setattr(score_command, "respond", respond)
    return asked


def score(*arguments: str) -> int:
    return cli.main(["score", *arguments, "--task", "task"])


def read(run: str = "runs/1") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(run, "score", "score.json").read_text(encoding="utf-8"))
    return found


def test_the_numbers_by_hand(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents wrong pairs, a wrong verdict, and a score that does not say what it was made of."""
    asked = answer(monkeypatch, ["", *["Repair"] * 7])  # one lost, seven won
    assert score("runs/1") == 0
    found = read()
    assert (found["right"], found["baseline_right"], found["won"], found["lost"]) == (7, 1, [1, 2, 3, 4, 5, 6, 7], [0])
    assert found["difference"] == 0.75 and found["verdict"] == "no clear difference"  # p = 2 * 9 / 256
    assert found["heldout_sha256"] == hashlib.sha256((place / "task/heldout.json").read_bytes()).hexdigest()
    assert found["data"] == [
        {"file": "mine.json", "sha256": hashlib.sha256(Path("mine.json").read_bytes()).hexdigest()}
    ]
    assert asked == ["chatml"] and len(found["weights"]) == 16
    said = capsys.readouterr().out
    assert "7 only this model has right, 1 only the baseline" in said and "verdict: no clear difference" in said
    assert "the first model scored here" in said
    items = load_items("runs/1/score/answers.jsonl")
    assert [item.verified for item in items] == [False, *[True] * 7] and items[1].before == "Lost"


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        (["Repair"] * 8, "beats the baseline"),
        (["Repair"] + ["Lost"] * 7, "no clear difference"),
        ([""] * 8, "no clear difference"),
    ],
)
def test_verdicts(place: Path, monkeypatch: pytest.MonkeyPatch, answers: list[str], verdict: str) -> None:
    """Prevents a verdict from one question, from a tie, or from nothing said at all."""
    answer(monkeypatch, answers)
    assert score("runs/1") == 0
    assert read()["verdict"] == verdict


def test_a_worse_run(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a model that unlearned from being called "no clear difference"."""
    write_task(place / "task", QUESTIONS, ["Repair"] * 8)
    answer(monkeypatch, ["Thanks"] * 8)
    assert score("runs/1") == 0
    assert "verdict: worse than the baseline" in capsys.readouterr().out


def test_the_real_model_answers(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a second call from giving another score, and from counting as another look."""
    assert score("runs/1") == 0
    first = read()
    assert score("runs/1/model") == 0
    assert read() == first and first["looks"] == 1
    assert len(Path("runs/heldout_scores.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_looks_are_counted(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents the best of several runs from being sold as the only one."""
    answer(monkeypatch, ["Repair"] * 7 + ["Lost"])  # six won: enough for one look, not for two
    assert score("runs/1") == 0 and read()["verdict"] == "beats the baseline"
    make_run("runs/2", seed=1)
    assert score("runs/2") == 0
    found = read("runs/2")
    assert (found["looks"], found["verdict"]) == (2, "no clear difference")
    assert "2 models were scored here on this held-out set" in capsys.readouterr().out
    entries = [json.loads(line) for line in Path("runs/heldout_scores.jsonl").read_text().splitlines()]
    assert [entry["model"] for entry in entries] == ["runs/1", "runs/2"] and entries[0]["right"] == 7


def test_another_set_is_another_look(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents looks at one held-out set from widening the interval of another."""
    answer(monkeypatch, ["Repair"] * 8)
    assert score("runs/1") == 0
    make_run("runs/2", seed=1)
    write_task(place / "task", QUESTIONS[::-1], ["Lost"] * 8)
    assert score("runs/2") == 0 and read("runs/2")["looks"] == 1


LEAK = Example("Sort this, please.", "message NUMBER 3 about the old roof", "Repair", "desk")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The message of a call that must fail, without a score and without a traceback."""
    assert score(*arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("ift: error: ") and not list(Path().glob("**/score.json"))
    return said


def test_leaks_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a score of a model that has seen the questions; the message names what to take out."""
    save_examples("mine.json", [Example("Name a fruit.", "", "A pear."), LEAK])
    make_run("runs/1")
    said = refused(capsys, "runs/1")
    assert "1 of its 2 examples" in said and "example 1: the same as held-out question 3" in said
    assert "take these out and train anew" in said
    assert not Path("runs/heldout_scores.jsonl").exists(), "a refused run has not looked"


def test_leaks_of_an_earlier_run_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a model that was trained on the questions first and on clean data then."""
    save_examples("first.json", [LEAK])
    digest = hashlib.sha256(Path("first.json").read_bytes()).hexdigest()
    make_run("runs/first", data="first.json", data_sha256=digest)
    make_run("runs/second", model="runs/first/model")
    assert "first.json: 1 of its 1 examples" in refused(capsys, "runs/second")


def test_leaks_of_a_model(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a model folder from passing as clean when nobody said what it was trained on."""
    export_pretrained(make_tiny(), place / "mine", template=CHATML)
    save_examples("leaky.json", [LEAK])
    assert "leaky.json: 1 of its 1" in refused(capsys, "mine", "--data", "leaky.json")
    asked = answer(monkeypatch, ["Repair"] * 8)
    assert score("mine") == 0
    assert "leaks were not looked for" in capsys.readouterr().out
    assert (
        asked == ["chatml"] and Path("scores/mine/score.json").exists() and Path("scores/heldout_scores.jsonl").exists()
    )


def test_what_the_user_can_mend(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a traceback, or a message that says no way out."""
    Path("mine.json").write_text("[]", encoding="utf-8")
    assert "mine.json: has changed since runs/1 was trained on it" in refused(capsys, "runs/1")
    Path("mine.json").unlink()
    assert "mine.json: is not there, and runs/1 was trained on it" in refused(capsys, "runs/1")
    assert "names its own data" in refused(capsys, "runs/1", "--data", "x.json")
    Path("runs/1/config.json").write_text("{}", encoding="utf-8")
    assert "no finished run" in refused(capsys, "runs/1")
    assert "nowhere" in refused(capsys, "nowhere")


def test_an_unfinished_run_and_a_broken_log(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a score of no model, and a log that is silently begun anew."""
    make_run("runs/2", seed=1)
    Path("runs/heldout_scores.jsonl").write_text("no json\n", encoding="utf-8")
    assert "heldout_scores.jsonl, line 1: is no entry of the log" in refused(capsys, "runs/2")
    Path("runs/2/model").rename(place / "gone")
    assert "not finished; go on with: ift run --resume" in refused(capsys, "runs/2")


def test_the_report(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a report without its numbers, one that a model's answer can break, and the loss of what was written."""
    answer(monkeypatch, ["Repair"] * 7 + ["a | b\n# `head`"])
    assert score("runs/1", "--report") == 0
    report = Path("runs/1/score/report.md").read_text(encoding="utf-8")
    assert "Verdict: **beats the baseline**" in report and "| all | 8 | 1 | 7 |" in report
    assert "mine.json (SHA-256" in report and "$" not in report
    assert sum(line.startswith("# ") for line in report.splitlines()) == 1
    assert report.count("\n> ") >= 10
    assert score("runs/1", "--report") == 2
    assert "may hold what you wrote" in capsys.readouterr().err
