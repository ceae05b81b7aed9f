"""Chapter 10: what the checks say, to right answers and to the usual wrong ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from learner import Say

from ift_lib.course.checks import comparing as checks
from ift_lib.course.checks.comparing import _tables, _votes_needed, _with_seat
from ift_lib.evaluation.alpaca_eval import alpaca_win_rate
from ift_lib.evaluation.arena import TIE, Battle, expected_score, online_elo
from ift_lib.evaluation.bradley_terry import bradley_terry
from ift_lib.evaluation.metrics import Interval

# --- exercise 1 ---

Bounds = dict[str, tuple[float, float]]


def counted(better: Callable[[tuple[float, float], tuple[float, float]], bool], first: int = 1) -> Callable[..., Any]:
    """Ranks from a rule of who is better; a model is not compared with itself."""

    def ranks_of(table: Bounds) -> dict[str, int]:
        return {m: first + sum(better(o, own) for n, o in table.items() if n != m) for m, own in table.items()}

    return ranks_of


def in_place(table: Bounds) -> dict[str, int]:
    return {model: place for place, model in enumerate(table, 1)}


def next_free(table: Bounds) -> dict[str, int]:
    ranks = counted(lambda other, own: other[0] > own[1])(table)
    return {m: 1 + sorted(set(ranks.values())).index(rank) for m, rank in ranks.items()}


def test_1_right(say: Say) -> None:
    """Prevents a right answer from being refused, whichever way it is written."""
    assert say(checks.exercise_1, counted(lambda other, own: other[0] > own[1])).startswith("Exercise 1: right. Models")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (counted(lambda other, own: other[0] > own[1], first=0), "begin with 1, yours with 0"),
        (counted(lambda other, own: other[0] >= own[1]), "only touch overlap"),
        (counted(lambda other, own: other[1] < own[0]), "surely worse"),
        (counted(lambda other, own: other[0] > own[0]), "the same point of both intervals"),
        (counted(lambda other, own: other[1] > own[1]), "the same point of both intervals"),
        (counted(lambda other, own: sum(other) > sum(own)), "the same point of both intervals"),
        (counted(lambda other, own: other[0] <= own[1] and own[0] <= other[1]), "overlap with it"),
        (counted(lambda other, own: other[1] > own[0]), "1 + the number of models whose lower end"),
        (next_free, "comes rank 3"),
        (in_place, "1 + the number of models"),
        (lambda table: list(in_place(table).values()), "must return a dictionary"),
        (lambda table: {"a": 1, "b": 1, "c": 3}, "should have the models"),
        (lambda table: None, "is the `return` missing?"),
    ],
)
def test_1_wrong(say: Say, answer: Any, words: str) -> None:
    """Prevents ranks that ignore the intervals, or the example by heart, from passing, and a message without help."""
    said = say(checks.exercise_1, answer)
    assert said.startswith("Exercise 1: not yet. ")
    assert words in said, said


# --- exercise 2 ---


def turn(shown: list[float], switched: list[bool]) -> list[float]:
    return [3 - p if s else p for p, s in zip(shown, switched, strict=True)]


def read(preferences: Sequence[float]) -> list[float]:
    return [p for p in preferences if not math.isnan(p)]


def rate(preferences: Sequence[float], of: int = 0) -> float:
    wins = [p - 1 for p in read(preferences)]
    return 100 * sum(wins) / (of or len(wins)) if wins else math.nan


def share(shown: list[float]) -> float:
    return len(read(shown)) / len(shown)


def draws(shown: list[float], switched: list[bool]) -> float:
    return rate([1.5 if math.isnan(p) else p for p in turn(shown, switched)])


def test_2_right(say: Say) -> None:
    """Prevents a right answer from being refused, also one of numpy's numbers."""
    assert say(checks.exercise_2, lambda p, s: (rate(turn(p, s)), share(p))).startswith("Exercise 2: right. Each")
    in_numpy = lambda p, s: (np.float64(rate(turn(p, s))), np.mean(~np.isnan(p)))  # noqa: E731
    assert say(checks.exercise_2, in_numpy).startswith("Exercise 2: right")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, s: (rate(p), share(p)), "still in the order shown"),
        (lambda p, s: (100 - rate(turn(p, s)), share(p)), "the baseline's win rate"),
        (lambda p, s: (rate(turn(p, [not x for x in s])), share(p)), "the baseline's win rate"),
        (lambda p, s: (rate(turn(p, s), len(p)), share(p)), "in your denominator, as losses"),
        (lambda p, s: (draws(p, s), share(p)), "as draws"),
        (lambda p, s: (100 * sum(x - 1 for x in turn(p, s)) / len(p), share(p)), "A single NaN makes a sum NaN"),
        (lambda p, s: (rate(turn(p, s)) / 100, share(p)), "That is a share"),
        (lambda p, s: (rate(turn(p, s)) + 100, share(p)), "take 1 off"),
        (lambda p, s: (alpaca_win_rate(turn(p, s)).discrete_win_rate, share(p)), "a quarter of a win"),
        (lambda p, s: (rate(turn(p, s)) if share(p) else 0.0, share(p)), "return math.nan"),
        (lambda p, s: (rate(turn(p, s)), len(read(p))), "divide by all 5"),
        (lambda p, s: (rate(turn(p, s)), 100 * share(p)), "only the win rate is in percent"),
        (lambda p, s: (rate(turn(p, s)), 1 - share(p)), "could not be read"),
        (lambda p, s: (rate(turn(p, s)), 0.8), "5 of 5 could be read"),
        (lambda p, s: rate(turn(p, s)), "must return two numbers"),
        (lambda p, s: (75.0, 0.8), "Turn the preferences of switched pairs"),
        (lambda p, s: ("75", 0.8), "leave out NaN"),
        (lambda p, s: None, "is the `return` missing?"),
    ],
)
def test_2_wrong(say: Say, answer: Any, words: str) -> None:
    """Prevents an unturned verdict from getting a message about something else, and the example by heart."""
    said = say(checks.exercise_2, answer)
    assert said.startswith("Exercise 2: not yet. ")
    assert words in said, said


def test_2_no_reply_names_the_line(say: Say) -> None:
    """Prevents a traceback where nothing can be read and the learner divides by nothing."""

    def divides(shown: list[float], switched: list[bool]) -> tuple[float, float]:
        wins = [p - 1 for p in read(turn(shown, switched))]
        return 100 * sum(wins) / len(wins), share(shown)

    said = say(checks.exercise_2, divides)
    assert "your code stopped with ZeroDivisionError" in said and "len(wins)" in said


# --- exercise 3 ---


def bound(difference: float, z: float = 1.96) -> float:
    p = expected_score(difference, 0)
    return z**2 * p * (1 - p) / (p - 0.5) ** 2


def one_after_the_other(difference: float) -> int:
    p, n = expected_score(difference, 0), 1
    while p - 1.96 * math.sqrt(p * (1 - p) / n) <= 0.5:
        n += 1
    return n


def natural(difference: float) -> int:
    p = 1 / (1 + math.exp(-difference / 400))
    return math.floor(1.96**2 * p * (1 - p) / (p - 0.5) ** 2) + 1


def test_3_right(say: Say) -> None:
    """Prevents the plain search from being refused, or the formula from differing from it."""
    assert say(checks.exercise_3, one_after_the_other).startswith("Exercise 3: right. A hundred points need 46 votes")
    assert say(checks.exercise_3, _votes_needed).startswith("Exercise 3: right")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda d: bound(d), "Round it up"),
        (lambda d: math.floor(bound(d)), "off by one"),
        (lambda d: float(_votes_needed(d)), "return an int"),
        (natural, "powers of ten"),
        (lambda d: math.floor(bound(d, 1)) + 1, "One standard error is not enough"),
        (lambda d: math.floor(bound(d, 3.92)) + 1, "Four times too many"),
        (lambda d: math.floor(bound(d) / 1.96) + 1, "1.96 has to be squared"),
        (lambda d: math.floor(1.96**2 / 4 / (expected_score(d, 0) - 0.5) ** 2) + 1, "one quarter"),
        (lambda d: math.floor(1.96**2 / 10 ** (d / 400)) + 1, "told from one half"),
        (lambda d: math.floor(math.sqrt(bound(d))) + 1, "square at the end"),
        (lambda d: 46, "votes_needed(10) gave 46"),
        (lambda d: "46", "when is p"),
        (lambda d: None, "is the `return` missing?"),
    ],
)
def test_3_wrong(say: Say, answer: Any, words: str) -> None:
    """Prevents the usual slips in the algebra from getting one and the same message."""
    said = say(checks.exercise_3, answer)
    assert said.startswith("Exercise 3: not yet. ")
    assert words in said, said


# --- exercise 4 ---


def fit(battles: Sequence[Battle], rounds: int = 3000, half: bool = False) -> tuple[dict[str, float], float]:
    """Gradient ascent, as the chapter's solution; `half` gives the seat to the left and takes it from the right."""
    models = sorted({name for b in battles for name in (b.model_a, b.model_b)})
    left, right = (np.array([models.index(getattr(b, side)) for b in battles]) for side in ("model_a", "model_b"))
    theta, seat = np.zeros(len(models)), 0.0
    for _ in range(rounds):
        expected = 1 / (1 + 10 ** (theta[right] - theta[left] - (2 if half else 1) * seat))
        surprise = (np.array([b.outcome for b in battles]) - expected) / len(battles)
        theta += np.bincount(left, surprise, len(models)) - np.bincount(right, surprise, len(models))
        seat += surprise.sum()
    return dict(zip(models, (1000 + 400 * theta).tolist(), strict=True)), 400 * seat


def test_4_right(say: Say) -> None:
    """Prevents the chapter's own solution from being refused, and the oracle from being another fit than that."""
    assert say(checks.exercise_4, lambda battles: fit(battles, 1500)).startswith("Exercise 4: right. What the seat")
    for battles in _tables():
        (ratings, seat), (expected, worth) = fit(battles), _with_seat(battles)
        assert seat == pytest.approx(worth, abs=1e-3)
        assert ratings == pytest.approx(expected, abs=1e-3)


def changed(change: Callable[[dict[str, float], float, Sequence[Battle]], Any]) -> Callable[..., Any]:
    """The right answer, changed."""
    return lambda battles: change(*_with_seat(battles), battles)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda bs: (bradley_terry(bs), 0.0), "has not moved from 0"),
        (changed(lambda r, s, bs: (r, s / 400)), "in the units of theta"),
        (changed(lambda r, s, bs: (r, 1000 + s)), "The 1000 belongs to ratings"),
        (changed(lambda r, s, bs: (r, -s)), "wrong way round"),
        (lambda bs: fit(bs, 1500, half=True), "That is half of it"),
        (changed(lambda r, s, bs: (r, sum(b.outcome for b in bs) / len(bs))), "the share that the left side wins"),
        (lambda bs: _with_seat([b for b in bs if b.winner != TIE]), "You left the ties out"),
        (lambda bs: fit(bs, 5), "Is the fit at its end?"),
        (changed(lambda r, s, bs: (r, 9999.0)), "theta[left] - theta[right]"),
        (changed(lambda r, s, bs: (r, "150")), "theta[left] - theta[right]"),
        (changed(lambda r, s, bs: (bradley_terry(bs), s)), "the ratings without the seat"),
        (changed(lambda r, s, bs: (online_elo(bs), s)), "online Elo"),
        (changed(lambda r, s, bs: ({m: x - 1000 for m, x in r.items()}, s)), "shifted by -1000 points"),
        (changed(lambda r, s, bs: ({m: (x - 1000) / 400 for m, x in r.items()}, s)), "These are thetas"),
        (changed(lambda r, s, bs: (dict.fromkeys(r, "1000"), s)), "Ratings are numbers"),
        (changed(lambda r, s, bs: (dict.fromkeys(r, 1000.0), s)), "with the seat in the prediction"),
        (changed(lambda r, s, bs: ({"a": 1.0}, s)), "your ratings are of ['a']"),
        (changed(lambda r, s, bs: r), "must return a dictionary of ratings and a number"),
        (lambda bs: None, "is the `return` missing?"),
    ],
)
def test_4_wrong(say: Say, answer: Any, words: str) -> None:
    """Prevents a fit in two steps, a wrong unit or a wrong sign from passing, and a message without help."""
    said = say(checks.exercise_4, answer)
    assert said.startswith("Exercise 4: not yet. ")
    assert words in said, said


def test_4_tables_tell_the_two_fits_apart() -> None:
    """Prevents a check that a fit without the seat passes, because the seats happen to be even in all its tables."""
    *_, unfair = _tables()
    plain, seated = bradley_terry(unfair), _with_seat(unfair)[0]
    assert plain["first"] - seated["first"] > 10


def test_the_oracle_of_ranks_is_the_arenas() -> None:
    """Prevents the chapter's expected output from being another than the check's."""
    table = {"a": (1100, 1200), "b": (1050, 1150), "c": (900, 1000)}
    assert checks.ranks_of_library({m: Interval(*b) for m, b in table.items()}) == {"a": 1, "b": 1, "c": 3}
