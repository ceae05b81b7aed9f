"""Chapter 9: what the checks say to right and to typical wrong answers, and what the score explorer shows."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

import pytest
from learner import Say

from ift_lib.course.checks import answers as checks
from ift_lib.course.widgets.score_explorer import (
    DEFAULT,
    LONGEST,
    MOST_REFERENCES,
    NORMALISERS,
    ScoreExplorer,
    compare,
    score_explorer,
    score_picture,
)
from ift_lib.evaluation.benchmarks.humaneval import pass_at_k
from ift_lib.evaluation.benchmarks.ifeval_checks import variants
from ift_lib.evaluation.benchmarks.squad_metrics import squad1_question, squad1_scores
from ift_lib.evaluation.metrics import exact_match, normalize_squad, token_f1

Golds = Mapping[str, Sequence[str]]
Said = Mapping[str, str]
Rule = Callable[[str], bool]


# --- exercise 1 ---


def scored(
    exact: Callable[[str, Sequence[str]], float], f1: Callable[[str, Sequence[str]], float], scale: float = 100
) -> Callable[[Golds, Said], tuple[float, float]]:
    """An answer that scores one question so, and divides by all."""

    def answer(golds: Golds, said: Said) -> tuple[float, float]:
        there = [(said[id], texts) for id, texts in golds.items() if id in said]
        return tuple(scale * sum(f(*each) for each in there) / len(golds) for f in (exact, f1))  # type: ignore[return-value]

    return answer


def best_exact(said: str, golds: Sequence[str]) -> float:
    return squad1_question(said, golds)[0]


def best_f1(said: str, golds: Sequence[str]) -> float:
    return squad1_question(said, golds)[1]


def over_answered(golds: Golds, said: Said) -> tuple[float, float]:
    pairs = [squad1_question(said[id], golds[id]) for id in golds if id in said]
    return 100 * fmean(em for em, _ in pairs), 100 * fmean(f1 for _, f1 in pairs)


def over_predictions(golds: Golds, said: Said) -> tuple[float, float]:
    pairs = [squad1_question(said[id], golds[id]) for id in said]
    return 100 * sum(em for em, _ in pairs) / len(golds), 100 * sum(f1 for _, f1 in pairs) / len(golds)


def over_all(golds: Golds, said: Said) -> tuple[float, float]:
    pairs = [squad1_question(said[id], golds[id]) for id in golds]
    return 100 * fmean(em for em, _ in pairs), 100 * fmean(f1 for _, f1 in pairs)


def divides_by_answered(golds: Golds, said: Said) -> tuple[float, float]:
    pairs = [squad1_question(said[id], golds[id]) for id in golds if id in said]
    return (100 * sum(em for em, _ in pairs) / len(pairs)) * len(pairs) / len(golds), 100 * sum(
        f1 for _, f1 in pairs
    ) / len(golds)


def test_1_right(say: Say) -> None:
    assert say(checks.exercise_1, scored(best_exact, best_f1)).startswith("Exercise 1: right. The best gold answer")
    assert "right" in say(checks.exercise_1, lambda golds, said: list(squad1_scores(golds, said).values()))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (over_answered, "You divided by the questions that have a prediction"),
        (over_all, "No prediction was given for 'q6'"),
        (over_predictions, "The prediction 'c' belongs to no question"),
        (divides_by_answered, "divided by zero"),
        (scored(best_exact, best_f1, scale=1), "SQuAD reports percent"),
        (scored(lambda a, g: exact_match(a, g[0]), best_f1), "the first gold answer only"),
        (scored(lambda a, g: exact_match(a, g[-1]), best_f1), "the last gold answer only"),
        (scored(best_exact, lambda a, g: fmean(token_f1(a, x) for x in g)), "You took the mean over the gold answers"),
        (scored(best_exact, lambda a, g: token_f1(a, " ".join(g))), "You joined the gold answers into one text"),
        (scored(lambda a, g: a in g, best_f1), "compare them normalised"),
        (lambda g, s: (0.0, 0.0), "One by one: q1 1, q2 1, q3 0, q4 1, q5 1; divide their sum by 6"),
        (lambda g, s: squad1_scores(g, s)["f1"], "must return two numbers"),
        (lambda g, s: None, "is the `return` missing?"),
        (lambda g, s: tuple(squad1_scores(g, s).values())[::-1], "you gave exact match"),
        (lambda g, s: (400 / 6, 100 * (4 + 2 / 3) / 6), "golds {'a': ['paraffin']"),
    ],
)
def test_1_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: the usual slips pass, or get a message about something else; the example of the text is learned by heart."""
    said = say(checks.exercise_1, answer)
    assert said.startswith("Exercise 1: not yet. ") and words in said


# --- exercise 2 ---


def any_of(forms: Callable[[str], list[str]], blank: bool = False) -> Callable[[Rule, str], bool]:
    return lambda rule, response: any((blank or bool(form.strip())) and rule(form) for form in forms(response))


def lines_of(response: str) -> list[str]:
    return response.split("\n")


def test_2_right(say: Say) -> None:
    """Bug: the check disagrees with the library's own loose rule."""
    assert say(checks.exercise_2, any_of(variants)).startswith("Exercise 2: right. Chat around an answer")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (any_of(lambda r: [r]), "`lines[1:]`, joined again"),
        (any_of(lambda r: variants(r)[1:4] + variants(r)[5:]), "The first form is the response itself"),
        (any_of(lambda r: [v for i, v in enumerate(variants(r)) if i not in (2, 6)]), "`lines[:-1]`, joined again"),
        (any_of(lambda r: [v for i, v in enumerate(variants(r)) if i not in (3, 7)]), "`lines[1:-1]`"),
        (any_of(lambda r: variants(r)[:4]), "a second time without asterisks"),
        (any_of(lambda r: variants(r)[:5]), "from each of the four forms"),
        (
            any_of(lambda r: variants(r)[:4] + [v.replace("**", "") for v in variants(r)[:4]]),
            "from each of the four|Every asterisk goes",
        ),
        (any_of(variants, blank=True), "A blank form keeps every rule that forbids something"),
        (any_of(lambda r: [*variants(r), "\n".join(lines_of(r)[2:])]), "Only one line may go at each end"),
        (lambda rule, r: all(rule(v) for v in variants(r)), "joined again|keeps the rule is enough|itself"),
        (lambda rule, r: True, "Not one of the eight forms keeps the rule"),
        (lambda rule, r: [v for v in variants(r) if v.strip() and rule(v)], "must return True or False"),
        (lambda rule, r: None, "is the `return` missing?"),
    ],
)
def test_2_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: one of the eight forms is forgotten, and nobody notices."""
    said = say(checks.exercise_2, answer)
    assert said.startswith("Exercise 2: not yet. ") and any(part in said for part in words.split("|")), said


# --- exercise 3 ---

Results = Mapping[str, Sequence[bool]]


def refusing(estimate: Callable[[int, int, int], float]) -> Callable[[Results, int], float]:
    """The mean over problems, with a ValueError for too few samples."""

    def answer(results: Results, k: int) -> float:
        if any(len(each) < k for each in results.values()):
            raise ValueError("too few samples")
        return fmean(estimate(len(each), sum(each), k) for each in results.values())

    return answer


def exactly(n: int, c: int, k: int) -> float:
    return 1 - math.comb(n - c, k) / math.comb(n, k)


def pooled(results: Results, k: int) -> float:
    return exactly(sum(map(len, results.values())), sum(map(sum, results.values())), k)


def says_1_for_too_few(results: Results, k: int) -> float:
    return fmean(exactly(len(r), sum(r), k) if len(r) >= k else 1.0 for r in results.values())


def test_3_right(say: Say) -> None:
    assert say(checks.exercise_3, refusing(exactly)).startswith("Exercise 3: right. Drawing without putting back")
    assert say(checks.exercise_3, refusing(pass_at_k)).startswith("Exercise 3: right. ")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusing(lambda n, c, k: 1 - (1 - c / n) ** k), "puts each sample back"),
        (refusing(lambda n, c, k: 1 - exactly(n, c, k)), "the probability that none passes"),
        (refusing(lambda n, c, k: c / n), "which is pass@1"),
        (refusing(lambda n, c, k: 100 * exactly(n, c, k)), "give a share of 1"),
        (refusing(lambda n, c, k: math.comb(c, k) / math.comb(n, k)), "that all k pass"),
        (pooled, "You put the samples of all problems together"),
        (lambda r, k: sum(exactly(len(v), sum(v), k) for v in r.values()), "divide by their number"),
        (lambda r, k: fmean(any(v[:k]) for v in r.values()), "whether one of the first k passed"),
        (says_1_for_too_few, "q has 2 samples, of which no 3 can be drawn"),
        (lambda r, k: fmean(exactly(len(v), sum(v), k) for v in r.values()), "stopped with ZeroDivisionError"),
        (lambda r, k: 0.9, "k=2: you gave 0.9, and it is 0.5"),
        (lambda r, k: None, "is the `return` missing?"),
    ],
)
def test_3_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: the biased formula passes, or problems with many samples weigh more, or too few samples count as success."""
    said = say(checks.exercise_3, answer)
    assert said.startswith("Exercise 3: not yet. ") and words in said


def test_3_a_list_of_all_draws_is_no_answer(say: Say) -> None:
    """Bug: the check itself lists more draws than there is time for; a wrong answer is named by its own line."""

    def broken(results: Results, k: int) -> float:
        return 1 / 0

    assert "your code stopped with ZeroDivisionError" in say(checks.exercise_3, broken)


# --- the score explorer ---


@pytest.mark.parametrize("name", NORMALISERS)
@pytest.mark.parametrize(
    ("answer", "reference"),
    [("cat cat cat", "the black cat"), ("A", "the"), ("", "x"), ("Ulan-Bator", "ulan bator"), ("x y x", "x x z")],
)
def test_the_marked_words_give_the_scores(answer: str, reference: str, name: str) -> None:
    """Bug: the picture marks other words than those that are counted, above all where a word occurs twice."""
    c = compare(answer, reference, NORMALISERS[name])
    shared = sum(right for _, right in c.said)
    assert shared == sum(found for _, found in c.wanted)
    expected = 2 * shared / (len(c.said) + len(c.wanted)) if shared else 0.0
    assert math.isclose(c.f1, expected)
    assert [word for word, _ in c.said] == NORMALISERS[name](answer).split()


def test_the_best_reference_counts() -> None:
    """Bug: exact match and F1 of the first reference, or of one and the same, are shown as the result."""
    picture = score_picture("the goat of the bay", ["goat", "a goat of the bay!", "goat goat"])
    assert picture.best == {"SQuAD": (1, 1.0), "TriviaQA": (1, 1.0)}
    assert score_picture().best["SQuAD"] == squad1_question(*DEFAULT)
    assert [c.exact for c in score_picture().comparisons["SQuAD"]] == [1, 0, 0]
    assert normalize_squad(DEFAULT[0]) == normalize_squad(DEFAULT[1][0])
    assert repr(score_picture("a", ["b"])) == (
        "ScorePicture: SQuAD: exact match 0, F1 0.00; TriviaQA: exact match 0, F1 0.00."
    )


def test_what_is_typed_is_text() -> None:
    """Bug: a learner types <script>, and the page runs it; or a turned direction turns the page."""
    nasty = '<script>alert(1)</script> "x" \u202e & \ud83d'
    html = score_picture(nasty, [nasty, "<img src=x onerror=y>"])._repr_html_()
    assert "<script" not in html and "<img" not in html and "\u202e" not in html and "\ud83d" not in html
    assert html.count("aria-label=") == 1 and 'role="img"' in html
    assert set(re.findall(r"</?([a-z]+)", html)) <= {"div", "span", "small", "b", "br", "i"}


def test_colour_is_not_the_only_sign() -> None:
    """Bug: who cannot tell blue from orange cannot tell right from wrong."""
    html = score_picture("red fox", ["red hen"])._repr_html_()
    assert "✓ red" in html and "+ fox" in html and "− hen" in html
    assert "(nothing is left of it)" in score_picture("A", ["the"])._repr_html_()


def test_the_widget_draws_what_is_typed() -> None:
    explorer = score_explorer()
    assert isinstance(explorer, ScoreExplorer)
    assert explorer.view.value == score_picture()._repr_html_(), "the static twin is the same drawing"
    explorer.references.value = " goat \n\n a <b>goat</b>\n"
    explorer.answer.value = "Goat."
    assert explorer.view.value == score_picture("Goat.", ["goat", "a <b>goat</b>"])._repr_html_()


def test_the_widget_survives_anything() -> None:
    """Bug: an empty field, or a whole book, stops the widget."""
    explorer = score_explorer()
    for value, words in (
        ("", "no reference"),
        ("x\n" * (MOST_REFERENCES + 1), "9 references"),
        ("x" * (LONGEST + 1), "501 characters"),
    ):
        explorer.references.value = value
        assert "role='alert'" in explorer.view.value and words in explorer.view.value
    explorer.references.value = "x"
    explorer.answer.value = ""
    assert "exact match 0, F1 0.00" in explorer.view.value
