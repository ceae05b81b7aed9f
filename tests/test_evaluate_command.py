"""`ift evaluate` with a tiny model and a stub of a benchmark."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import stub_benchmark
from run_folders import make_answer, make_run
from tiny import make_tiny

from ift_lib.cli import make_parser
from ift_lib.course.benchmark_table import benchmark_table
from ift_lib.course.evaluate_command import find_subjects
from ift_lib.errors import InputError
from ift_lib.evaluation import benchmarks
from ift_lib.evaluation.tasks import Result, Score
from ift_lib.export import export_pretrained


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with tiny/ (a model) and a finished run; the benchmarks are two stubs, one of which runs code."""
    monkeypatch.chdir(tmp_path)
    export_pretrained(make_tiny(), tmp_path / "tiny")
    make_run(tmp_path / "run", [make_answer()], config={"model": "tiny", "template": "alpaca"})
    export_pretrained(make_tiny(seed=1), tmp_path / "run" / "model")
    risky = type(sys)("ift_lib.evaluation.benchmarks.risky")
    risky.BENCHMARK = stub_benchmark.RiskyStub()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ift_lib.evaluation.benchmarks.stub", stub_benchmark)
    monkeypatch.setitem(sys.modules, "ift_lib.evaluation.benchmarks.risky", risky)
    monkeypatch.setattr(benchmarks, "NAMES", ("stub", "risky"))
    return tmp_path


def evaluate(*words: str) -> None:
    args = make_parser(["evaluate"]).parse_args(["evaluate", *words])
    args.do(args)


def test_one_model(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a command that asks and leaves nothing, or forgets an option on the way to the benchmark."""
    evaluate("stub", "tiny", "--limit", "2", "--shots", "3", "--seed", "5", "--out", "here")
    told = json.loads((place / "here/stub.json").read_text())
    assert (told["limit"], told["shots"], told["seed"], told["data"]) == (2, 3, 5, "embedded")
    assert [item["prompt"] for item in told["items"][::3]] == ["Question 0 3", "Question 1 why 3"]
    said = capsys.readouterr()
    assert "every answer: here" in said.out and "1  stub: only a stub" in said.out
    assert "letters: accuracy" in said.out and "6/6" in said.err
    evaluate("stub", "tiny")
    assert (place / "evaluations/tiny/stub.json").exists()


def test_run_before_and_after(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a comparison of a model with itself, or a fine-tuned one asked in a form that it was not trained on."""
    evaluate("stub", "run", "--limit", "1")
    before, after = (
        json.loads((place / f"run/evaluation/{name}/stub.json").read_text()) for name in ("before", "after")
    )
    assert before["model"].startswith("weights ") and before["model"] != after["model"]
    assert after["model"].endswith(", template alpaca") and "template" not in before["model"]
    head = capsys.readouterr().out.splitlines()[0].split("  ")
    assert [cell.strip() for cell in head if cell.strip()] == [
        "benchmark", "score", "tiny before", "95 % interval", "run after", "95 % interval", "chance", "n", "notes",
    ]  # fmt: skip
    with pytest.raises(InputError, match="template alpaca"):
        evaluate("stub", "run", "--limit", "1", "--plain")
    evaluate("stub", "run", "--limit", "1", "--plain", "--out", "plain")
    plain = json.loads((place / "plain/after/stub.json").read_text())
    assert plain["items"][0] == after["items"][0]  # a choice is asked in the same words
    assert plain["items"][1]["answers"] != after["items"][1]["answers"]


def test_all_goes_on_after_a_stop(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents `all` from asking again what is answered, for either model."""
    evaluate("all", "run")
    files = sorted(place.glob("run/evaluation/*/*.json*"))
    assert len(files) == 4
    before = [path.read_text() for path in files]
    (place / "run/evaluation/after/stub.json").unlink()
    for name in ("loglikelihood", "generate"):
        monkeypatch.delattr(f"ift_lib.course.evaluate_command.GPTLanguageModel.{name}")
    evaluate("all", "run")
    assert [path.read_text() for path in files] == before


def test_code_runs_only_when_allowed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a model's code from running because somebody asked for everything, and hours of asking for no score."""
    evaluate("all", "tiny", "--limit", "1")
    assert "left out: risky runs code" in capsys.readouterr().out
    with pytest.raises(InputError, match="--allow-code-execution"):
        evaluate("risky", "tiny")
    assert not (place / "evaluations/tiny/risky.jsonl").exists()
    evaluate("all", "tiny", "--limit", "1", "--allow-code-execution")
    assert (place / "evaluations/tiny/risky.json").exists()


def test_benchmark_knows_the_context(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents prompts made to fit another model's context."""
    seen: list[int | None] = []
    load = stub_benchmark.Stub.load
    monkeypatch.setattr(
        stub_benchmark.Stub,
        "load",
        lambda self, data=None, **how: (seen.append(self.context), load(self, data, **how))[1],
    )
    evaluate("stub", "tiny", "--limit", "1")
    assert seen == [128]


@pytest.mark.parametrize(
    "words, named",
    [
        (("nothing", "tiny"), "unknown; choose one of stub, risky, or all"),
        (("stub",), "name a benchmark"),
        ((), "name a benchmark"),
        (("all", "tiny", "--data", "x"), "belong to one benchmark"),
        (("all", "tiny", "--shots", "0"), "belong to one benchmark"),
        (("stub", "nowhere"), "no such model"),
        (("stub", "half"), "not finished"),
        (("stub", "odd"), "no finished run"),
    ],
)
def test_what_can_be_mended_is_told(place: Path, words: tuple[str, ...], named: str) -> None:
    """Prevents a traceback, or a run folder taken for a broken model."""
    make_run(place / "half", [make_answer()], config={"model": "tiny", "template": "alpaca"})
    make_run(place / "odd", [make_answer()], config={"model": "tiny", "template": "none"})
    with pytest.raises(InputError, match=named):
        evaluate(*words)


@pytest.mark.parametrize("option", [("--limit", "0"), ("--shots", "-1"), ("--limit", "x")])
def test_numbers_out_of_range(place: Path, option: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a limit of 0 that scores nothing, or -1 that leaves the last question out."""
    with pytest.raises(SystemExit):
        evaluate("stub", "tiny", *option)
    assert option[1] in capsys.readouterr().err


def test_list(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a list that needs a model, or that leaves out what can be asked."""
    evaluate("--list")
    assert capsys.readouterr().out.splitlines() == [
        "stub   Stub: Asks for the letter C.", "risky  Stub: Asks for the letter C.",
    ]  # fmt: skip


def test_names_open() -> None:
    """Prevents a name in the list whose module is missing or ends without BENCHMARK."""
    assert [benchmarks.open_benchmark(name).name for name in benchmarks.NAMES] == list(benchmarks.NAMES)


def test_a_name_wins_over_a_folder(place: Path) -> None:
    """Prevents two meanings of one word: `load_pretrained` takes the name too."""
    make_run(place / "pocket", [make_answer()], config={"model": "tiny", "template": "alpaca"})
    assert [s.weights for s in find_subjects("pocket")] == ["pocket"]
    assert len(find_subjects("./run")) == 2


# --- the table ---


def result(value: float, notes: list[str], **more: float) -> Result:
    return Result(
        "b", [Score("acc", value, 1200, value - 5, value + 5, 25.0), Score("F1", 0.5, 9, percent=False)], notes
    )


def test_table() -> None:
    """Prevents a number without its interval, under another model's name, or with a note that belongs to another."""
    text = benchmark_table({"one": [result(25.04, ["same", "own"])], "two": [result(31, ["same"])]}, groups=True)
    lines = text.splitlines()
    assert [line.split() for line in lines[1:3]] == [
        ["b", "acc", "25.0", "20.0–30.0", "31.0", "26.0–36.0", "25.0", "1,200", "1–2"],
        ["F1", "0.500", "0.500", "9"],
    ]
    assert lines[-2:] == ["1  b: same", "2  b, one: own"]
    assert len(benchmark_table({"one": [result(1, [])]}).splitlines()) == 4


def test_table_shows_what_could_be_hidden() -> None:
    """Prevents a name in somebody's data file that moves the cursor or turns the line."""
    odd = Result("b", [Score("acc", 1.0, 1, group="\x1b[2J\u202e")], ["see \x1b[31m"])
    text = benchmark_table({"m": [odd]})
    assert "\x1b" not in text and "⟨U+001B⟩" in text and "\u202e" not in text
