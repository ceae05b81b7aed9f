"""Chapter 8: what the checks say to right and to typical wrong answers, the choice explorer and the pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from learner import Say
from run_folders import EVIL, Tags

from ift_lib.course.checks import knowledge as checks
from ift_lib.course.knowledge import plot_letters, plot_worth
from ift_lib.course.widgets.choice_explorer import ChoiceTable, choice_explorer, choice_table, typed_question
from ift_lib.errors import InputError
from ift_lib.evaluation.benchmarks.helm_metrics import mean_win_rates
from ift_lib.evaluation.metrics import wilson_interval
from ift_lib.evaluation.tasks import Choose, LogLikelihood

Table = list[list[Any]]


# --- exercise 1 ---


def test_1_right(say: Say) -> None:
    right = lambda r, n, k: wilson_interval(r, n).low > 1 / k  # noqa: E731
    assert say(checks.exercise_1, right).startswith("Exercise 1: right. Only when")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda r, n, k: r / n > 1 / k, "The accuracy is above guessing, but its interval is not"),
        (lambda r, n, k: wilson_interval(r, n).high > 1 / k, "take the lower end"),
        (lambda r, n, k: wilson_interval(r, n).low > 1 / 4, "not always a quarter"),
        (lambda r, n, k: False, "all of the interval is"),
        (lambda r, n, k: n >= 1000 and r / n > 1 / k, "all of the interval is"),
        (lambda r, n, k: not wilson_interval(r, n).low <= 1 / k <= wilson_interval(r, n).high, "below guessing"),
        (lambda r, n, k: None, "is the `return` missing?"),
        (lambda r, n, k: wilson_interval(r, n), "must return True or False"),
        (lambda r, n, k: "yes", "must return True or False"),
        (lambda r, n, k: r / n - 1.96 * math.sqrt(r / n * (1 - r / n) / n) > 1 / k, "The plain interval"),
    ],
)
def test_1_wrong(say: Say, answer: Any, words: str) -> None:
    """Prevents a hard-coded answer, or one from the accuracy alone, from passing."""
    said = say(checks.exercise_1, answer)
    assert said.startswith("Exercise 1: not yet. ") and words in said


# --- exercise 2 ---


def means(rows: Table) -> list[float]:
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def picks(rows: Table, change: Callable[[float, float], float], best: Any = max) -> list[int]:
    changed = [[change(v, m) for v, m in zip(row, means(rows), strict=True)] for row in rows]
    return [row.index(best(row)) for row in changed]


def right_2(rows: Table) -> list[int]:
    return picks(rows, lambda v, m: v - m)


def in_place(rows: Table) -> list[int]:
    columns = means(rows)
    for row in rows:
        row[:] = [v - m for v, m in zip(row, columns, strict=True)]
    return [row.index(max(row)) for row in rows]


def test_2_right(say: Say) -> None:
    assert say(checks.exercise_2, right_2).startswith("Exercise 2: right. Each letter")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda rows: picks(rows, lambda v, m: v), "the mean of each column, over the questions"),
        (lambda rows: [max(range(len(r)), key=lambda i: r[i] - sum(r)) for r in rows], "each column"),
        (lambda rows: picks(rows, lambda v, m: v + m), "Exercise 2: not yet"),
        (lambda rows: picks(rows, lambda v, m: v - m, min), "take the highest"),
        (lambda rows: picks(rows, lambda v, m: v / m), "do not divide"),
        (lambda rows: [i + 1 for i in right_2(rows)], "Indices begin with 0"),
        (lambda rows: ["ABCD"[i] for i in right_2(rows)], "return the index"),
        (lambda rows: right_2(rows)[:1], "one index for each of the 4 rows"),
        (lambda rows: [1, 0, 0], "one index for each of the 4 rows"),
        (lambda rows: None, "is the `return` missing?"),
        (in_place, "changed the log-likelihoods"),
        (lambda rows: [0] * len(rows), "mean"),
    ],
)
def test_2_wrong(say: Say, answer: Any, words: str) -> None:
    """Prevents the mean of the wrong direction from passing unexplained."""
    said = say(checks.exercise_2, answer)
    assert said.startswith("Exercise 2: not yet. ") and words in said


# --- exercise 3 ---


def lower(share: float, n: int, z: float = 1.959964) -> float:
    return (
        share + z * z / (2 * n) - z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    ) / (1 + z * z / n)  # fmt: skip


def count_up(share: float, chance: float, z: float = 1.959964) -> int:
    n = 1
    while lower(share, n, z) <= chance:
        n += 1
    return n


def test_3_right(say: Say) -> None:
    assert say(checks.exercise_3, count_up).startswith("Exercise 3: right. Half the distance")
    assert say(checks.exercise_3, lambda s, c: count_up(s, c, 1.96)).startswith("Exercise 3: right")
    assert count_up(0.35, 0.25) == 73


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s, c: count_up(s, c, 1.645), "both tails"),
        (lambda s, c: count_up(s, c) // 2, "not yet above guessing"),
        (lambda s, c: 73, "not yet above guessing"),
        (lambda s, c: 7203, "Exercise 3: not yet"),
        (lambda s, c: math.ceil(1.959964**2 * s * (1 - s) / (s - c) ** 2), "width of the plain interval"),
        (lambda s, c: 2 * count_up(s, c), "Fewer are enough"),
        (lambda s, c: 1, "not yet above guessing"),
        (lambda s, c: 1 / (s - c), "must return a whole number"),
        (lambda s, c: None, "is the `return` missing?"),
        (lambda s, c: True, "must return a whole number"),
    ],
)
def test_3_wrong(say: Say, answer: Any, words: str) -> None:
    """Prevents the number in the text from passing for every accuracy."""
    said = say(checks.exercise_3, answer)
    assert said.startswith("Exercise 3: not yet. ") and words in said


def test_3_the_formula_is_the_search() -> None:
    """Prevents a check whose closed form is another interval than the chapter's."""
    for share, chance in ((0.26, 0.25), (0.35, 0.25), (0.55, 0.5), (0.3, 0.25), (0.4, 1 / 3), (0.9, 0.5)):
        assert checks._needed(share, chance) == count_up(share, chance)


# --- exercise 4 ---


def wins(
    table: Table, *, tie: float = 0.5, own: int = 1, others: int = 1, least: int = 2, of: Any = None, down: bool = False
) -> list[Any]:
    """The right rates, or those of one of the usual mistakes."""
    shares: list[list[float]] = [[] for _ in table]
    for values in zip(*table, strict=True):
        known = [v for v in values if v is not None]
        for mine, v in zip(shares, values, strict=True):
            if v is not None and len(known) >= least:
                below = sum((k > v) if down else (k < v) for k in known)
                n = len(table) if of == "table" else len(known)
                mine.append((below + tie * (known.count(v) - own)) / max(1, n - others))
    width = [len(table[0]) if of == "columns" else len(mine) for mine in shares]
    return [sum(mine) / n if mine else None for mine, n in zip(shares, width, strict=True)]


def test_4_right(say: Say) -> None:
    assert say(checks.exercise_4, wins).startswith("Exercise 4: right. Ties count half")
    library = lambda table: mean_win_rates(table, [False] * len(table[0]))  # noqa: E731
    assert say(checks.exercise_4, library).startswith("Exercise 4: right")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda t: wins(t, tie=0.0), "half beaten"),
        (lambda t: wins(t, tie=1.0), "not as a whole win"),
        (lambda t: wins(t, others=0), "nobody plays against himself"),
        (lambda t: wins(t, of="table"), "not by all of the table"),
        (lambda t: wins(t, of="columns"), "over the columns where the model has a share"),
        (lambda t: wins(t, own=0), "does not tie with itself"),
        (lambda t: wins(t, least=1), "leave it out"),
        (lambda t: wins(t, down=True), "higher is better"),
        (lambda t: [0.0 if x is None else x for x in wins(t)], "0 would be a verdict"),
        (lambda t: [0.5, 0.625, 0.25], "one number for each of the 4 rows"),
        (lambda t: dict(enumerate(wins(t))), "must return one number for each"),
        (lambda t: None, "is the `return` missing?"),
        (lambda t: [None] * len(t), "only a model that is compared nowhere"),
        (lambda t: ["0.5"] * len(t), "number from 0 to 1"),
    ],
)
def test_4_wrong(say: Say, answer: Any, words: str) -> None:
    """Prevents ties and holes, which make the whole difficulty, from getting a message about something else."""
    said = say(checks.exercise_4, answer)
    assert said.startswith("Exercise 4: not yet. ") and words in said


def test_4_a_none_that_is_not_handled(say: Say) -> None:
    """Prevents a traceback where a learner compares a hole with a number."""

    def crash(table: Table) -> list[float]:
        return [sum(v > other[0] for other in table) / (len(table) - 1) for [v, *_] in table]

    said = say(checks.exercise_4, crash)
    assert "your code stopped with TypeError" in said or "not yet" in said


# --- the choice explorer ---


class Counting:
    """A model for which each character of a choice costs 1, a rare word 4 more; a token is a word."""

    def __init__(self) -> None:
        self.asked = 0

    def loglikelihood(self, pairs: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        self.asked += 1
        return [
            LogLikelihood(-float(len(c.strip()) + 4 * c.count("zebra")), False, max(1, len(c.split())))
            for _, c in pairs
        ]

    def generate(self, prompts: Sequence[str], **settings: Any) -> list[str]:
        raise AssertionError("a choice is made by log-likelihood; nothing is written")


ANIMALS = Choose((" a zebra", " the little dog"), ("Who barks?",) * 2)


def test_the_three_scales() -> None:
    """Prevents acc_norm from counting the space before a choice, which the harness does not."""
    table = choice_table(Counting(), ANIMALS, right=1)
    assert table.values == {
        "sum (acc)": [-11.0, -14.0],
        "per token": [-5.5, -14 / 3],
        "per character (acc_norm)": [-11 / 7, -1.0],
    }
    assert table.picks == {"sum (acc)": 0, "per token": 1, "per character (acc_norm)": 1}
    assert "sum (acc) picks choice 1, which is wrong; per token picks choice 2, which is right" in table.summary
    assert repr(table) == f"ChoiceTable: {table.summary}"


def test_equal_values_and_agreement() -> None:
    """Prevents a tie from going to the last choice, and an unknown answer from being called wrong."""
    same = LogLikelihood(-2.0, False, 1)
    table = ChoiceTable(Choose((" a", " b"), ("x", "x")), [same, same])
    assert set(table.picks.values()) == {0}
    assert table.summary == "All three scales pick choice 1."


def test_the_explorer_asks_about_what_is_shown() -> None:
    """Prevents the table of one question under the text of another, and a changed question from keeping its answer."""
    model = Counting()
    other = (Choose((" red", " blue", " a zebra"), ("Which colour?",) * 3), 0)
    explorer = choice_explorer(model, [(ANIMALS, 1), other])
    assert "✓ right" in explorer.view.value and "the little dog" in explorer.view.value
    asked = model.asked
    explorer.question.value = 1
    assert model.asked == asked + 1, "both fields are filled before the model is asked"
    assert "blue" in explorer.view.value and "dog" not in explorer.view.value
    explorer.choices.value = "red\nblue\n\n  green  "
    assert explorer.table().ask.choices == (" red", " blue", " green")
    assert "✓ right" not in explorer.view.value
    explorer.question.value = 0
    assert explorer.context.value == "Who barks?" and "✓ right" in explorer.view.value


@pytest.mark.parametrize(("typed", "words"), [("", "0 choices"), ("one\n", "1 choices"), ("one\n one", "are the same")])
def test_the_explorer_says_what_is_missing(typed: str, words: str) -> None:
    """Prevents a traceback in the place of the widget while somebody is still typing."""
    with pytest.raises(InputError, match=words):
        typed_question("Who?", typed)
    explorer = choice_explorer(Counting(), [(ANIMALS, 1)])
    explorer.choices.value = typed
    assert "role='alert'" in explorer.view.value and words in explorer.view.value


@pytest.mark.parametrize("text", EVIL)
def test_any_text_is_shown_harmlessly(text: str) -> None:
    """Prevents a question, typed or from a file, from becoming markup."""
    ask = Choose((f" {text}", " other"), (text, text))
    html = choice_table(Counting(), ask)._repr_html_()
    page = Tags(html)
    assert page.handlers == [] and set(page.tags) <= {
        "p", "bdi", "b", "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "span"
    }  # fmt: skip
    assert len(html) < 20_000
    assert choice_explorer(Counting(), [(ask, 0)]).view.value


# --- the pictures ---


def test_the_worth_of_an_accuracy() -> None:
    """Prevents a picture whose intervals are not those of the text."""
    picture = plot_worth(0.26, 0.25, [100, 14_000])
    assert [n for n, _, _ in picture.series["interval"]] == [100, 14_000]
    (_, low, high), (_, clear, _) = picture.series["interval"]
    assert (low / 100, high / 100) == pytest.approx(wilson_interval(26, 100))
    assert low < 25 < clear
    assert "18.4 to 35.4 for 100" in picture.alt


def test_the_letters_are_counted() -> None:
    """Prevents a letter that is never said from vanishing from the picture."""
    picture = plot_letters(["A", "A", "A"], ["A", "C", "B"])
    assert picture.series == {"said": [("A", 3), ("B", 0), ("C", 0)], "right": [("A", 1), ("B", 1), ("C", 1)]}
    assert "said: A 3, B 0, C 0" in picture.alt
