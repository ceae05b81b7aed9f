"""`ift judge`, `ift compare` and `ift review`: what they print, write, refuse, and go on from."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import nbformat
import pytest
from run_folders import make_answer, make_run

from ift_lib.cli import make_parser
from ift_lib.course import compare_command, judge_command, review_command
from ift_lib.course.judge_command import make_judge
from ift_lib.course.judging import JUDGING
from ift_lib.errors import InputError
from ift_lib.evaluation import JudgeError, OllamaJudge, OpenAIJudge, StubJudge, load_items
from ift_lib.evaluation.alpaca_eval_files import load_annotations, load_outputs
from ift_lib.evaluation.judge_backends import OpenAITokenJudge


def ift(*arguments: str) -> None:
    """What `ift` does with these arguments."""
    args = make_parser(arguments).parse_args(arguments)
    args.do(args)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_of(folder: Path, *responses: str, **changes: Any) -> Path:
    """A run with one test example for each response; the reference is "leaves"."""
    answers = [
        make_answer(index=n, instruction=f"Write plural {n}.", response=response, category="plural" if n % 2 else "odd")
        | changes
        for n, response in enumerate(responses)
    ]
    return make_run(folder, answers)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`--judge stub`: overlap with the reference. Returns the list of the prompts that it is asked."""
    asked: list[str] = []
    judge = StubJudge(references={f"Write plural {n}.\n\nleaf": "leaves" for n in range(40)})

    def make(spec: str, question: str) -> Any:
        def answer(prompt: str) -> str:
            asked.append(prompt)
            if spec == "broken":
                raise JudgeError("out of \x1b[31morder")
            return judge(prompt)

        return answer

    monkeypatch.setattr(judge_command, "make_judge", make)
    monkeypatch.setattr(compare_command, "make_judge", make)
    return asked


# --- judge ---


def test_the_shipped_answers_are_judged_offline(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a first command that needs a server, and a recording that is not called one."""
    ift("judge")
    out = capsys.readouterr().out
    assert "recorded: SmolLM2-135M-Instruct, Q4_1, a weak judge" in out
    assert "40 of 40 scored" in out
    numbers = json.loads((place / "runs/shipped/judge-recorded-score.json").read_text())
    assert (numbers["answers"], numbers["scored"], numbers["book_scored"]) == (40, 40, 40)
    assert numbers["mean"] == pytest.approx(numbers["book_mean"])
    ift("judge", "--ask", "pair", "--limit", "10")
    out = capsys.readouterr().out
    assert re.search(r"first seat wins +1\.00", out), "this judge sees nothing but the seat"
    assert len((place / "runs/shipped/judge-recorded.jsonl").read_text().splitlines()) == 40 + 2 * 10


def test_ours_and_the_books_mean(place: Path, stub: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a mean without those that could not be judged, and one that cannot be told from the book's."""
    run_of(place / "run", "leaves", "leaf", "", "leaves of trees")
    ift("judge", "run", "--judge", "stub", "--workers", "2")
    out = capsys.readouterr().out
    numbers = json.loads((place / "run/judge-stub-score.json").read_text())
    assert numbers["mean"] == numbers["book_mean"] == (100 + 0 + 0 + 50) / 4
    assert numbers["by_category"] == {"odd": 50, "plural": 25}
    assert re.search(r"odd +2 +50\.00", out)
    assert "4 of 4 scored" in out
    assert len(stub) == 3, "an empty answer is not sent"


def test_the_same_command_goes_on(place: Path, stub: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents paying twice, and a --limit that throws away what was judged before."""
    run_of(place / "run", *["leaves"] * 6)
    ift("judge", "run", "--judge", "stub", "--limit", "2")
    ift("judge", "run", "--judge", "stub")
    assert len(stub) == 6
    ift("judge", "run", "--judge", "stub", "--limit", "1")
    ift("judge", "run", "--judge", "stub")
    assert len(stub) == 6
    assert len((place / "run/judge-stub.jsonl").read_text().splitlines()) == 6


def test_a_broken_judge_is_told(place: Path, stub: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a mean of 0 without the reason, and a reason that steers the terminal."""
    run_of(place / "run", "leaves", "leaf")
    ift("judge", "run", "--judge", "broken")
    out = capsys.readouterr().out
    assert "0 of 2 scored, 0 unreadable, 2 failed" in out
    assert "why it failed, the first time: JudgeError: out of ⟨U+001B⟩[31morder" in out
    ift("compare", "run", "run", "--judge", "broken")  # identical answers: nobody is asked
    assert "2 draws, 0 without a verdict" in capsys.readouterr().out


def test_recordings_are_of_other_answers(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a recorded verdict on an answer that it was not given for."""
    run_of(place / "run", "leaves")
    with pytest.raises(InputError, match="to none of these; name a judge that can be asked"):
        ift("judge", "run")
    shipped = (JUDGING / "responses.jsonl").read_text("utf-8").splitlines()
    (place / "run/responses.jsonl").write_text(
        "\n".join(shipped[:3]) + "\n" + json.dumps(make_answer()) + "\n", "utf-8"
    )
    ift("judge", "run")
    assert "asked about 3 of these 4 answers; the others are left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["judge", "run", "--judge", "llama3"], "--judge llama3: must be recorded"),
        (["judge", "run", "--judge", "openai:gpt"], "must be recorded"),
        (["judge", "run", "--judge", "openai:m@ftp://x"], "is no web address"),
        (["judge", "nowhere", "--judge", "ollama:m"], "cannot be read"),
        (["judge", "run", "--ask", "pair", "--judge", "ollama:m"], "1 answers have none from before"),
        (["judge", "empty", "--judge", "ollama:m"], "holds no answers"),
        (["compare", "run", "other"], "no test example in common"),
        (
            ["compare", "run", "run", "--judge", "ollama:m", "--protocol", "letters"],
            "log-probabilities: openai:MODEL@URL",
        ),
        (["review", "nowhere"], "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_one_error(place: Path, arguments: list[str], says: str) -> None:
    """Prevents a traceback where a word was wrong."""
    run_of(place / "run", "leaves", before=None)
    run_of(place / "other", "leaves", instruction="Other.")
    run_of(place / "empty")
    with pytest.raises(InputError, match=says):
        ift(*arguments)


@pytest.mark.parametrize("number", ["0", "-1", "many", "²"])
def test_workers_are_a_number(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a pool without workers."""
    with pytest.raises(SystemExit):
        ift("judge", "run", "--workers", number)
    assert "must be a whole number, at least 1" in capsys.readouterr().err


def test_judges_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a model name cut at its colon, and a key that goes where nobody sent it."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    ollama, openai = make_judge("ollama:llama3:8b", "score"), make_judge("openai:a@b@http://localhost:1/v1", "score")
    assert isinstance(ollama, OllamaJudge) and isinstance(openai, OpenAIJudge)
    assert (ollama.model, ollama.url) == ("llama3:8b", "http://localhost:11434")
    assert (openai.model, openai.url) == ("a@b", "http://localhost:1/v1")
    letters = make_judge("openai:m@http://localhost:1/v1", "letters")
    assert isinstance(letters, OpenAITokenJudge)
    assert letters.options["logprobs"] is True


# --- compare ---


def test_runs_side_by_side(place: Path, stub: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents answers paired by place, and a difference without its interval."""
    run_of(place / "a", *["leaf"] * 8)
    run_of(place / "b", *["leaves"] * 7, "leaf")
    lines = (place / "b/responses.jsonl").read_text().splitlines()
    (place / "b/responses.jsonl").write_text("\n".join(reversed(lines)) + "\n")
    ift("compare", "a", "b", "--judge", "stub")
    out = capsys.readouterr().out
    numbers = json.loads((place / "b/compare/compare.json").read_text())
    [run] = numbers["runs"]
    exact = run["metrics"]["exact match"]
    assert (exact["baseline"], exact["run"], exact["difference"], exact["answers"]) == (0, 7 / 8, 7 / 8, 8)
    assert exact["interval"][0] < 7 / 8 < exact["interval"][1]
    assert re.search(r"exact match +0\.000 +0\.875 +\+0\.875 ", out)
    told = run["alpaca_eval"]
    assert (told["win_rate"], told["n_wins"], told["n_draws"], told["n_total"]) == (93.75, 7, 1, 8)
    assert told["length_controlled_winrate"] >= 50
    assert "win rate 93.8 % (standard error 6.2 %), by judge stub: 7 wins, 0 losses, 1 draws" in out
    assert len(stub) == 7
    outputs = load_outputs(place / "b/compare/outputs-0.json")
    assert (outputs[0].instruction, outputs[0].generator) == ("Write plural 0.\n\nleaf", "a")
    annotations = load_annotations(place / "b/compare/annotations-1.json")
    assert [a.preference for a in annotations] == [2.0] * 7 + [1.5]
    ift("compare", "a", "b", "--judge", "stub")
    assert len(stub) == 7, "it goes on where it was"


def test_three_runs_and_what_they_share(place: Path, stub: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a comparison over different questions."""
    run_of(place / "a", *["leaf"] * 5)
    run_of(place / "b", *["leaves"] * 3)
    run_of(place / "c", *["leaf"] * 4)
    ift("compare", "a", "b", "c", "--judge", "stub", "--protocol", "letters", "--out", "here", "--limit", "2")
    out = capsys.readouterr().out
    assert "3 test examples are in all runs" in out
    assert "2 answers each; the baseline is a" in out
    assert "length control needs at least 5" in out
    first, second = json.loads((place / "here/compare.json").read_text())["runs"]
    assert first["alpaca_eval"]["win_rate"] > 95
    assert second["alpaca_eval"]["win_rate"] == 50
    assert second["alpaca_eval"]["length_controlled_winrate"] is None


# --- review ---


def test_the_desk_is_opened_in_jupyter(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a notebook that does not find the answers, or code made of a grader's name."""
    run_of(place / "run", "leaves", "leaf")
    started: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: started.append(command))
    name = "Ada'\"); import os; os.abort() #"
    ift("review", "run", "--grader", name, "--seed", "3")
    [command] = started
    assert command[1:] == ["-m", "jupyterlab", str(Path("run/review.ipynb"))]
    notebook = nbformat.read(place / "run/review.ipynb", as_version=4)
    nbformat.validate(notebook)
    monkeypatch.chdir(place / "run")
    names: dict[str, Any] = {}
    exec(notebook.cells[0].source.replace("review_desk(load", "desk = review_desk(load"), names)
    assert names["desk"].name.value == name
    names["desk"].press("4")
    assert (place / "run" / review_command.GRADES).exists()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="review with --terminal"):
        ift("review", ".")


def test_the_terminal_writes_to_the_same_store(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents two sets of grades for one run."""
    run_of(place / "run", "leaves", "leaf")
    typed = iter(["5", "q"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    ift("review", "run", "--terminal", "--grader", "Bo")
    [grade] = review_command.ReviewStore(place / "run" / review_command.GRADES).grades()
    assert (grade.grader, grade.grade, grade.item in {i.id for i in load_items("run")}) == ("Bo", 5, True)
