"""Chapter 7: what the checks say, what the review desk does and keeps, and that its files are what they claim."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from learner import Say
from run_folders import EVIL, Tags

from ift_lib.course.checks import judging as checks
from ift_lib.course.judging import (
    IDLE_WORDS,
    JUDGING,
    as_other,
    as_reference,
    chapter_grades,
    chapter_items,
    padded,
    plot_verdicts,
    recorded,
)
from ift_lib.course.widgets.review_desk import ReviewDesk, review_card, review_desk
from ift_lib.errors import InputError
from ift_lib.evaluation import (
    PAIR_FIRST,
    PAIR_SECOND,
    REASON,
    RUBRIC,
    SCORE,
    YES_NO,
    Item,
    ReviewStore,
    StubJudge,
    Verdict,
    cohen_kappa,
    judge_items,
    settle,
    token_f1,
    verify,
)
from ift_lib.evaluation.judge import parse_score

# --- exercise 1 ---


def readable(replies: list[str]) -> list[int]:
    return [score for reply in replies if (score := parse_score(reply)) is not None]


def numbers(replies: list[str]) -> list[int]:
    return [int(found[0]) for reply in replies if (found := re.findall(r"-?\d+", reply))]


def test_1_right(say: Say) -> None:
    right = lambda rs: (sum(readable(rs)) / len(rs), len(readable(rs)) / len(rs))  # noqa: E731
    assert say(checks.exercise_1, right).startswith("Exercise 1: right. Every reply")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda rs: (sum(readable(rs)) / len(readable(rs)), 0.5), "averaged over the readable replies only"),
        (lambda rs: (sum(numbers(rs)) / len(rs), 0.5), "It seems that 'Score: 80' counted"),
        (lambda rs: (sum(numbers(rs)) / max(1, len(numbers(rs))), 0.5), "It seems that 'Score: 80' counted"),
        (lambda rs: (sum(readable(rs)) / len(rs), len(readable(rs))), "That is their number; divide by all 4"),
        (lambda rs: (sum(readable(rs)) / len(rs), 100 * len(readable(rs)) / len(rs)), "leave out the hundred"),
        (lambda rs: (sum(readable(rs)) / len(rs), 0.5), "2 of 2 can be read"),
        (lambda rs: sum(readable(rs)) / len(rs), "must return two numbers"),
        (lambda rs: None, "is the `return` missing?"),
        (lambda rs: (0, 0), "Add up what"),
    ],
)
def test_1_wrong(say: Say, answer: Any, words: str) -> None:
    """Prevents a message that says "wrong" and not what is wrong."""
    said = say(checks.exercise_1, answer)
    assert said.startswith("Exercise 1: not yet. ")
    assert words in said


def test_1_out_of_range(say: Say) -> None:
    """Prevents the 150 of a judge who leaves the scale from being bent into it without a word."""

    def clamped(replies: list[str]) -> tuple[float, float]:
        found = [int(r) for r in replies if re.fullmatch(r"\s*-?\d+\s*", r)]
        return sum(min(100, max(0, n)) for n in found) / len(replies), len(readable(replies)) / len(replies)

    assert "Do not bend 150" in say(checks.exercise_1, clamped)


def test_1_crash_names_the_line(say: Say) -> None:
    """Prevents a traceback where a learner calls int() on a sentence."""

    def crash(replies: list[str]) -> tuple[float, float]:
        return sum(int(reply) for reply in replies) / len(replies), 1.0

    said = say(checks.exercise_1, crash)
    assert "your code stopped with ValueError" in said and "int(reply)" in said


# --- exercise 2 ---


def ask_both(item: Item, judge: Callable[[str], str]) -> tuple[int | None, int | None]:
    return PAIR_FIRST.parse(judge(PAIR_FIRST.prompt(item))), PAIR_SECOND.parse(judge(PAIR_SECOND.prompt(item)))


def combined(rule: Callable[[Any, Any], Any]) -> Callable[[Item, Callable[[str], str]], Any]:
    return lambda item, judge: rule(*ask_both(item, judge))


def test_2_right(say: Say) -> None:
    assert say(checks.exercise_2, combined(settle)).startswith("Exercise 2: right. Only an answer that wins")


def asks_same_twice(item: Item, judge: Callable[[str], str]) -> Any:
    return settle(PAIR_FIRST.parse(judge(PAIR_FIRST.prompt(item))), PAIR_FIRST.parse(judge(PAIR_FIRST.prompt(item))))


def asks_backwards(item: Item, judge: Callable[[str], str]) -> Any:
    second = PAIR_SECOND.parse(judge(PAIR_SECOND.prompt(item)))
    return settle(PAIR_FIRST.parse(judge(PAIR_FIRST.prompt(item))), second)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda item, judge: PAIR_FIRST.parse(judge(PAIR_FIRST.prompt(item))), "was asked 1 time"),
        (lambda item, judge: None, "is the `return` missing?"),
        (asks_same_twice, "Both games had the same prompt"),
        (asks_backwards, "You asked the second game first"),
        (combined(lambda a, b: a if a == b else 0), "These two agree"),
        (combined(lambda a, b: None if None in (a, b) else a if a in (b, -b) else 0), "Turn its sign"),
        (combined(lambda a, b: None if None in (a, b) else a - b), "a sum of both games is not"),
        (combined(lambda a, b: None if None in (a, b) else a if a else -b), "Turn its sign|One game is not enough"),
        (combined(lambda a, b: settle(a or 0, b or 0)), "A reply that cannot be read is no tie"),
        (combined(lambda a, b: None if None in (a, b) else -settle(a, b)), "wrong way round"),
        (combined(lambda a, b: "A"), "1 when the response wins both games"),
    ],
)
def test_2_wrong(say: Say, answer: Any, words: str) -> None:
    """Prevents the usual mistake, an unturned second game, from getting a message about something else."""
    said = say(checks.exercise_2, answer)
    assert said.startswith("Exercise 2: not yet. ")
    assert any(part in said for part in words.split("|"))


def test_2_a_none_that_is_not_handled(say: Say) -> None:
    """Prevents a traceback for the reply that nobody can read."""
    said = say(checks.exercise_2, combined(lambda a, b: a if a == -b else 0))
    assert "your code stopped with TypeError" in said


# --- exercise 3 ---


def shares(a: list[int], b: list[int]) -> tuple[float, Counter[int], Counter[int], int]:
    return sum(x == y for x, y in zip(a, b, strict=True)) / len(a), Counter(a), Counter(b), len(a)


def by_chance(chance: Callable[[Counter[int], Counter[int], int], float]) -> Callable[[list[int], list[int]], float]:
    def kappa(a: list[int], b: list[int]) -> float:
        agreed, ours, theirs, n = shares(a, b)
        expected = chance(ours, theirs, n)
        return (agreed - expected) / (1 - expected)

    return kappa


def product(ours: Counter[int], theirs: Counter[int], n: int) -> float:
    return sum(ours[g] * theirs[g] for g in ours) / n**2


def test_3_right(say: Say) -> None:
    assert say(checks.exercise_3, by_chance(product)).startswith("Exercise 3: right. What two graders share")
    assert say(checks.exercise_3, cohen_kappa).startswith("Exercise 3: right")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b: shares(a, b)[0], "chance has not been taken off"),
        (lambda a, b: shares(a, b)[0] - product(*shares(a, b)[1:]), "now divide by what was left to win"),
        (by_chance(lambda a, b, n: 1 / len({*a, *b})), "as if every grade were given equally often"),
        (by_chance(lambda a, b, n: sum((a[g] / n) ** 2 for g in a)), "you used one grader twice"),
        (
            lambda a, b: (shares(a, b)[0] - product(*shares(a, b)[1:])) / max(1e-9, 1 - shares(a, b)[0]),
            "not 1 - agreement",
        ),
        (lambda a, b: None, "is the `return` missing?"),
        (lambda a, b: 0.123, "share in a times share in b"),
    ],
)
def test_3_wrong(say: Say, answer: Any, words: str) -> None:
    """Prevents a formula to copy from being the only help."""
    said = say(checks.exercise_3, answer)
    assert said.startswith("Exercise 3: not yet. ") and words in said


# --- exercise 4 ---


def read(prompt: str) -> tuple[str, str]:
    """(reference, response)."""
    return prompt.split("`")[3], prompt.split("`")[5]


def overlap(prompt: str) -> str:
    reference, response = read(prompt)
    return str(round(100 * token_f1(response, reference)))


def test_4_right(say: Say) -> None:
    assert say(checks.exercise_4, overlap).startswith("Exercise 4: right. It can be read")
    assert say(checks.exercise_4, StubJudge()).startswith("Exercise 4: right")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p: "100", "always says 100"),
        (lambda p: 80, "wrap it in str()"),
        (lambda p: None, "is the `return` missing?"),
        (lambda p: "Score: 80", "no whole number from 0 to 100 alone"),
        (lambda p: str(100 * token_f1(*read(p))), "Round it"),
        (lambda p: str(min(100, 3 * len(read(p)[1]))), "nothing else: prompt.split"),
        (lambda p: str(100 - int(overlap(p))), "the wrong way round"),
        (lambda p: str(round(100 * token_f1(read(p)[1], p.split("`")[1]))), "prompt.split"),
        (
            lambda p: str(min(100, round(50 * token_f1(*read(p)) + 2 * len(read(p)[1].split())))),
            "your judge likes length",
        ),
        (StubJudge(chatty_below=50), "no whole number"),
    ],
)
def test_4_wrong(say: Say, answer: Any, words: str) -> None:
    """Prevents a judge that cannot be read, knows nothing, or pays for words, from passing."""
    said = say(checks.exercise_4, answer)
    assert said.startswith("Exercise 4: not yet. ") and words in said


# --- the desk ---


def make_items(n: int = 4, **changes: Any) -> list[Item]:
    return [
        Item(**{"id": str(i), "instruction": f"Task {i}.", "input": "", "output": f"reference {i}"}
             | {"response": f"response {i}", "category": "secret", "verified": True, "before": "secret"} | changes)
        for i in range(n)
    ]  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> ReviewDesk:
    return review_desk(make_items(), tmp_path / "runs" / "grades.sqlite", grader="Ada")


def kept(desk: ReviewDesk) -> dict[str, int]:
    return {g.item: g.grade for g in ReviewStore(desk.store.path).grades("Ada")}


def test_keys_grade_and_go_on(desk: ReviewDesk) -> None:
    """Prevents a grade that is shown and not saved, and keys typed faster than the kernel answers from getting lost."""
    assert not desk.store.path.exists(), "an opened desk has saved nothing"
    first, second, third, _ = desk.order
    desk.key_box.value = "4"
    assert kept(desk) == {first: 4} and desk.position == 1
    desk.key_box.value = "425"  # two more characters at once
    assert kept(desk) == {first: 4, second: 2, third: 5}
    desk.key_box.value = "42"  # a backspace is no key
    assert len(kept(desk)) == 3
    desk.key_box.value = "42x?b"  # others do nothing; b leafs back
    assert desk.position == 2
    desk.buttons[0].click()
    assert kept(desk)[third] == 1, "the latest grade counts"
    assert desk.position == 3
    desk.press("3")
    assert "4 of 4 graded by Ada. All graded" in desk.status.value
    assert "graded 3" in desk.card.value, "and the last answer stays in sight"


def test_grades_survive_a_restart(desk: ReviewDesk) -> None:
    """Prevents an afternoon's grades from dying with the kernel."""
    desk.press("5")
    desk.press("2")
    again = review_desk(make_items(), desk.store.path, grader="Ada")
    assert again.position == 2 and again.order == desk.order
    assert "2 of 4 graded by Ada" in again.status.value
    again.back.click()
    assert "graded 2" in again.card.value
    assert [b.button_style for b in again.buttons] == ["", "primary", "", "", ""]


def test_graders_have_their_own_pile(desk: ReviewDesk) -> None:
    """Prevents one grader from seeing, or overwriting, another's grades."""
    desk.press("5")
    desk.name.value = "Bo"
    assert "0 of 4 graded by Bo" in desk.status.value
    desk.press("1")
    desk.name.value = "Ada"
    assert list(kept(desk).values()) == [5]
    desk.name.value = " "
    desk.press("1")
    assert "Not saved: grader: has no name" in desk.status.value
    assert len(ReviewStore(desk.store.path).grades()) == 2


def test_notes_are_kept(desk: ReviewDesk) -> None:
    """Prevents a note from moving on to the next answer, or from staying behind when it is changed later."""
    desk.note.value = "nearly"
    desk.press("4")
    assert desk.note.value == ""
    desk.press("b")
    assert desk.note.value == "nearly"
    desk.note.value = "really"
    [grade] = desk.store.grades()
    assert (grade.grade, grade.note) == (4, "really")


def test_the_card_gives_no_hint(desk: ReviewDesk) -> None:
    """Prevents grades that follow the rule's verdict because the grader has seen it."""
    assert "secret" not in desk.card.value and "True" not in desk.card.value
    assert "response" in desk.card.value and "reference" in desk.card.value
    with pytest.raises(InputError, match="no items"):
        review_desk([])


@pytest.mark.parametrize("text", EVIL)
def test_any_text_is_shown_harmlessly(tmp_path: Path, text: str) -> None:
    """Prevents a response from running in the grader's browser, turning the page around, or filling it."""
    item = Item("1", text, text, text, text)
    page = Tags(html := review_card(item)._repr_html_())
    assert set(page.tags) <= {"style", "div", "small", "p", "details", "summary", "span"}
    assert page.handlers == []
    assert len(html) < 45_000
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html)
    desk = review_desk([item], tmp_path / "g.sqlite", grader=text)
    desk.press("3")
    assert "<script" not in desk.status.value and "<img" not in desk.status.value


# --- the chapter's files ---


def test_changed_items_are_what_they_say() -> None:
    """Prevents a "wrong" answer that is right, and idle words that say something."""
    items = make_items(6)
    assert [i.response for i in map(as_reference, items)] == [i.output for i in items]
    assert all(o.response != i.output and o.id == i.id for i, o in zip(items, as_other(items), strict=True))
    assert padded(items[0]).response == "response 0" + IDLE_WORDS
    assert len(IDLE_WORDS.split()) == 21


def test_the_picture_draws_every_item() -> None:
    """Prevents an item without a verdict from leaving the picture."""
    items = make_items(3)
    picture = plot_verdicts(items, [Verdict("0", 90), Verdict("1", None), Verdict("2", 10)], {"0": 5, "1": 1, "2": 1})
    assert picture.series["right by rule"] == [(5, 90), (1, -8), (1, 10)]
    assert picture.series["mean score"] == [(1, 10), (5, 90)]
    assert "10 for grade 1, 90 for grade 5" in picture.alt


ITEMS = chapter_items()


def test_the_files_belong_together() -> None:
    """Prevents grades or replies for other answers than those shown: a new recording needs new grades."""
    ids = [item.id for item in ITEMS]
    assert len(ids) == 40
    assert sorted(g.item for g in chapter_grades()) == sorted(ids)
    assert len({g.grader for g in chapter_grades()}) == 1
    for item in ITEMS:
        assert item.verified == verify(item.example, item.response), item.id
    for item, other in zip(ITEMS, as_other(ITEMS), strict=True):
        assert other.response != item.output and not verify(item.example, other.response)


@pytest.mark.parametrize(
    ("name", "ask", "change"),
    [
        ("score", SCORE, None),
        ("reason", REASON, None),
        ("score-choice", SCORE, None),
        ("score-choice-sampled-1", SCORE, None),
        ("score-choice-sampled-2", SCORE, None),
        ("score-choice-sampled-3", SCORE, None),
        ("rubric-choice", RUBRIC, None),
        ("pair-first-choice", PAIR_FIRST, None),
        ("pair-second-choice", PAIR_SECOND, None),
        ("yes-no", YES_NO, None),
        ("yes-no-reference", YES_NO, as_reference),
        ("yes-no-padded", YES_NO, padded),
        ("yes-no-before", YES_NO, lambda item: Item(**{**vars(item), "response": item.before})),
    ],
)
def test_every_question_was_asked_about_every_item(name: str, ask: Any, change: Any) -> None:
    """Prevents a prompt of ours from changing while the recording stays: its answers would be to another question."""
    items = [change(item) for item in ITEMS] if change else ITEMS
    verdicts = judge_items(items, recorded(name), ask, attempts=1)
    assert [v.error for v in verdicts] == [""] * 40
    if "choice" in name or "yes-no" in name:
        assert all(v.score is not None for v in verdicts), "these judges can write nothing else"


def test_the_card_says_where_it_all_comes_from() -> None:
    """Prevents verdicts of an unknown judge: the file's hash and the date stand beside it."""
    facts = json.loads((JUDGING / "recording.json").read_text())
    card = (JUDGING / "README.md").read_text()
    assert facts["sha256"] in card and facts["date"] in card and facts["judge"].split(",")[0] in card
    names = set(re.findall(r"\| `([a-z0-9-]+)` \|", card))
    lines = [json.loads(line) for line in (JUDGING / "recorded.jsonl").read_text().splitlines()]
    assert names == {line["ask"] for line in lines}
    assert math.prod([len(names), 40]) == len(lines)
