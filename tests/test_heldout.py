"""The fixed held-out set: a changed file is refused, leaks are found, and the verdict is the exact test's."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from ift_lib.course.capstone_report import report_skeleton
from ift_lib.data import EMBEDDED, Example, find_duplicates, load_examples
from ift_lib.errors import InputError
from ift_lib.evaluation.heldout import CAPSTONE, Comparison, compare_with_baseline, find_leaks, load_task
from ift_lib.evaluation.items import load_items
from ift_lib.evaluation.metrics import clopper_pearson_interval, paired_difference_interval
from ift_lib.evaluation.verify import verify

ASK = "Which desk should read this?"
BELL = Example(ASK, "The bell at the gate does not ring.", "Repair", "desk")


# --- the files of the package ---


def test_the_shipped_set_is_the_recorded_one() -> None:
    """Prevents a held-out set, or a baseline, that was edited after its score was recorded."""
    task = load_task()
    assert task.sha256 == hashlib.sha256((CAPSTONE / "heldout.json").read_bytes()).hexdigest()
    assert Counter(q.output for q in task.questions if q.category == "desk") == dict.fromkeys(
        ("Booking", "Repair", "Lost", "Information", "Thanks", "Complaint"), 16
    )
    comparison = compare_with_baseline(task, task.baseline)
    assert sum(comparison.baseline) == task.record["baseline_right"]
    starter = hashlib.sha256((CAPSTONE / "starter.json").read_bytes()).hexdigest()
    assert task.record["baseline"]["data_sha256"] == starter


@pytest.mark.parametrize("data", [EMBEDDED, CAPSTONE / "starter.json", CAPSTONE / "example" / "data.json"])
def test_no_shipped_data_leak(data: Path) -> None:
    """Prevents a baseline or an example that is good because it has seen the questions."""
    assert find_leaks(load_examples(data), load_task().questions) == []


@pytest.mark.parametrize("name", ["heldout.json", "starter.json", "example/data.json"])
def test_the_card_counts_right(name: str) -> None:
    """Prevents a data card that tells of another file, references that their own rule refuses, and duplicates."""
    examples = load_examples(CAPSTONE / name)
    kinds = Counter(e.category for e in examples)
    row = f"| `{name}` | {len(examples)} | {kinds['desk']} | {kinds['notice']} |"
    assert row in (CAPSTONE / "README.md").read_text(encoding="utf-8")
    assert all(verify(e, e.output) for e in examples)
    assert find_duplicates([Example(e.input) for e in examples]) == []


def test_the_example_solution_is_what_it_says() -> None:
    """Prevents a stored victory that the stored answers do not bear out."""
    task = load_task()
    stored = json.loads((CAPSTONE / "example" / "scores.json").read_text(encoding="utf-8"))
    assert len(stored["runs"]) >= 2
    for run in stored["runs"]:
        items = load_items(CAPSTONE / "example" / f"answers-{run['seed']}.jsonl")
        comparison = compare_with_baseline(task, [item.response for item in items])
        assert [comparison.won, comparison.lost] == [run["won"], run["lost"]]
        assert sum(comparison.right) == run["right"]
        assert run["interval"] == pytest.approx(comparison.interval())
        assert run["verdict"] == comparison.verdict(run["looks"]) == "beats the baseline"
        assert run["heldout_sha256"] == task.sha256
        data = hashlib.sha256((CAPSTONE / "example" / "data.json").read_bytes()).hexdigest()
        assert [d["sha256"] for d in run["data"]] == [data]


# --- tampering ---


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(CAPSTONE, tmp_path / "task")
    return tmp_path / "task"


@pytest.mark.parametrize("name", ["heldout.json", "baseline.jsonl"])
def test_a_changed_file_is_refused(copy: Path, name: str) -> None:
    """Prevents a score on questions of which the hard ones were taken out, or against a baseline made worse."""
    path = copy / name
    path.write_bytes(path.read_bytes().replace(b"Repair", b"Repairs", 1))
    with pytest.raises(InputError, match=f"{name}: is not the file that was recorded .* put the original back"):
        load_task(copy)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("task.json", None, "holds no held-out set"),
        ("task.json", "{}", "holds no held-out set .*heldout_sha256"),
        ("task.json", "[]", "holds no held-out set"),
        ("heldout.json", None, "cannot be read"),
    ],
)
def test_a_folder_without_a_set_is_refused(copy: Path, name: str, content: str | None, words: str) -> None:
    """Prevents a traceback for a wrong folder."""
    (copy / name).unlink()
    if content is not None:
        (copy / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        load_task(copy)


def write_task(folder: Path, questions: list[Example], answers: list[str]) -> Path:
    """A task of one's own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "heldout.json").write_text(json.dumps([q.__dict__ for q in questions]), encoding="utf-8")
    lines = [json.dumps({"index": i, **q.__dict__, "response": answers[i]}) for i, q in enumerate(questions)]
    (folder / "baseline.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    hashes = {
        f"{Path(name).stem}_sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("heldout.json", "baseline.jsonl")
    }
    (folder / "task.json").write_text(json.dumps(hashes), encoding="utf-8")
    return folder


def test_a_question_without_a_rule_is_refused(tmp_path: Path) -> None:
    """Prevents questions that count as wrong for everybody, as no rule can call an answer right."""
    folder = write_task(tmp_path, [replace(BELL, category="title")], ["A Bell"])
    with pytest.raises(InputError, match=r"no rule can check the entries \[0\]"):
        load_task(folder)


# --- leaks ---


@pytest.mark.parametrize(
    ("training", "kind"),
    [
        (BELL, "the same"),
        (Example("Sort it.", "the BELL at the gate, does not ring!"), "the same"),
        (Example("The bell at the gate does not ring."), "the same"),
        (Example("Say something.", "", "The bell at the gate does not ring."), "the same"),
        (Example(f"{ASK} The bell at the gate does not ring."), "the same"),
        (Example(f"{ASK}\nThe bell at the gate does\u00a0not ring"), "the same"),
        (Example("Hello. The bell at the gate does not ring. Yours, Ada"), "contains it"),
        (Example(ASK, "The bell at the old gate does not ring."), "nearly the same"),
        (Example("Sort: the bells at the gate do not ring."), None),
        (Example(ASK, "Nobody hears your bell any more."), None),
        (Example(ASK, "The lamp at the door does not burn."), None),
        (Example(ASK, "???", "!"), None),
    ],
)
def test_leaks(training: Example, kind: str | None) -> None:
    """Prevents a leak that hides behind case, marks, another field, another form of file, or one more word."""
    leaks = find_leaks([Example("Name a fruit.", "", "A pear."), training], [Example(ASK, "Is it late?"), BELL])
    assert [(k.entry, k.question, k.kind) for k in leaks] == ([(1, 1, kind)] if kind else [])


def test_a_short_message_in_a_sentence_is_no_leak() -> None:
    """Prevents "Wait." from making every text with that word a leak."""
    question = Example("Make it kind.", "Wait here.")
    assert find_leaks([Example("Tell him.", "You may wait here or go.")], [question]) == []
    assert [k.kind for k in find_leaks([Example("Tell him.", "wait HERE")], [question])] == ["the same"]


# --- the interval and the verdict ---


def mcnemar(won: int, lost: int) -> float:
    """The two-sided p-value by counting."""
    n = won + lost
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(max(won, lost), n + 1)) / 2**n)


def test_the_interval_by_hand() -> None:
    """Prevents a wrong end: with six wins of six, a share of (0.025)^(1/6) is the lowest that may be."""
    low, high = clopper_pearson_interval(6, 6)
    assert (low, high) == (pytest.approx(0.025 ** (1 / 6)), 1.0)
    assert clopper_pearson_interval(0, 6) == pytest.approx((0.0, 1 - 0.025 ** (1 / 6)))
    assert paired_difference_interval(6, 0, 60) == pytest.approx((0.1 * (2 * 0.025 ** (1 / 6) - 1), 0.1))
    assert paired_difference_interval(0, 0, 60) == (0.0, 0.0)
    for wrong in ((7, 6), (-1, 6), (0, 0)):
        with pytest.raises(ValueError, match="at least one trial"):
            clopper_pearson_interval(*wrong)
    with pytest.raises(ValueError, match="counts of different items"):
        paired_difference_interval(4, 3, 6)


def test_clopper_pearson_is_scipys() -> None:
    """Prevents a slow or inexact search for the ends, at small and at large n."""
    stats = pytest.importorskip("scipy.stats")
    for k, n in ((1, 3), (9, 10), (50, 96), (700, 2000)):
        ours = clopper_pearson_interval(k, n, 0.99)
        assert ours == pytest.approx(tuple(stats.binomtest(k, n).proportion_ci(0.99)), abs=1e-9)


@pytest.mark.parametrize("won", range(0, 31, 3))
@pytest.mark.parametrize("lost", range(0, 31, 5))
def test_the_verdict_is_mcnemars(won: int, lost: int) -> None:
    """Prevents an interval that excludes 0 where the test sees no difference: one lucky question is no victory."""
    right = [True] * won + [False] * lost + [True] * 40
    old = [False] * won + [True] * lost + [True] * 40
    comparison = Comparison(right, old)
    expected = "no clear difference"
    if mcnemar(won, lost) < 0.05:
        expected = "beats the baseline" if won > lost else "worse than the baseline"
    assert comparison.verdict() == expected
    assert comparison.difference == pytest.approx((won - lost) / (won + lost + 40))


def test_more_looks_widen_the_interval() -> None:
    """Prevents the best of many tries from being called a victory on the evidence that one try would need."""
    comparison = Comparison([True] * 6 + [False] * 54, [False] * 60)
    assert comparison.verdict() == "beats the baseline"
    assert comparison.verdict(looks=2) == "no clear difference"
    assert comparison.interval(10).low < comparison.interval(2).low < comparison.interval().low


def test_answers_are_compared_in_pairs() -> None:
    """Prevents an empty answer from counting as right, and answers that slip by one question."""
    task = replace(load_task(), questions=[BELL, replace(BELL, output="Lost"), BELL], baseline=["Lost", "Lost", ""])
    comparison = compare_with_baseline(task, ["It is for the repair desk.", "", " "])
    assert (comparison.right, comparison.baseline) == ([True, False, False], [False, True, False])
    assert (comparison.won, comparison.lost) == ([0], [1])
    with pytest.raises(ValueError, match="2 answers to 3 questions"):
        compare_with_baseline(task, ["Repair", "Lost"])


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("Please keep the gate closed.", True),
        ("Could you please keep the gate closed?", True),
        ("please keep the gate closed", True),
        ("Keep the gate closed.", False),
        ("Please close the gate.", False),
        ("Please keep the gate closed closed.", False),
        ("please", False),
        ("", False),
    ],
)
def test_the_rule_for_notices(answer: str, right: bool) -> None:
    """Prevents a rule that a lone "please", the bare house rule or other words can satisfy."""
    notice = Example("Make a kind notice.", "Keep the gate closed.", "Please keep the gate closed.", "notice")
    assert verify(notice, answer) is right


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("Repair", True),
        ("This is for the repair desk.", True),
        ("Repair or Lost", False),
        ("Lost", False),
        ("Not repair", False),
        ("Booking, Repair, Lost, Information, Thanks or Complaint?", False),
    ],
)
def test_the_rule_for_desks(answer: str, right: bool) -> None:
    """Prevents a model that names every desk from being always right."""
    assert verify(BELL, answer) is right


def test_the_example_report_has_the_numbers_of_its_score() -> None:
    """Prevents a filled report whose numbers are another run's: all but the writer's own lines is recomputed."""
    task = load_task()
    run = json.loads((CAPSTONE / "example" / "scores.json").read_text(encoding="utf-8"))["runs"][0]
    items = load_items(CAPSTONE / "example" / f"answers-{run['seed']}.jsonl")
    skeleton = report_skeleton(task, run, [item.response for item in items]).splitlines()
    filled = iter((CAPSTONE / "example" / "report.md").read_text(encoding="utf-8").splitlines())
    for line in skeleton:
        if line and not line.startswith("> "):
            assert line in filled, f"the report lacks, at its place: {line}"  # `in` reads on to where it is
    assert not any(line.startswith("> ") for line in (CAPSTONE / "example" / "report.md").read_text().splitlines())
