"""What every check of an exercise says to a stub, a wrong answer, a failing one and a right one."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest
import torch
from learner import Say

from ift_lib.course import checks
from ift_lib.course.checks import start
from ift_lib.course.checks.feedback import Wrong, exercise, short


@exercise("7")
def doubles(double: Any) -> str:
    """The learner's function must double a tensor."""
    given = double(torch.tensor([1, 2]))
    if not torch.equal(given, torch.tensor([2, 4])):
        raise Wrong(f"double([1, 2]) gave {short(given)}; twice as much was expected.")
    return "Twice as much."


TO_DO = "Exercise 7: still to do. Replace the ... in the cell above."


def bare(x): ...


def documented(x):
    """Twice x."""


def passed(x):
    pass


def returning_nothing(x):
    # your code
    return None


def half_done(x):
    factor = ...
    return factor * x


def nested(x):
    def helper(y):
        return ...

    return helper(x)


class Stub:
    def __call__(self, x): ...


@pytest.mark.parametrize(
    "answer",
    [
        ...,
        [1, ...],
        {"a": (1, ...)},
        bare,
        documented,
        passed,
        returning_nothing,
        half_done,
        nested,
        Stub,
        lambda x: ...,
    ],
)
def test_a_stub_is_still_to_do(say: Say, answer: Any) -> None:
    """Bug: the untouched notebook greets the learner with "wrong", or with an error."""
    assert say(doubles, answer) == TO_DO


def with_an_index(x):
    return x[..., :] * 2


@pytest.mark.parametrize("answer", [with_an_index, lambda x: x + x, torch.tensor(2).mul])
def test_a_right_answer_is_praised(say: Say, answer: Any) -> None:
    """Bug: `x[..., 0]`, which is good code, is taken for a stub."""
    assert say(doubles, answer) == "Exercise 7: right. Twice as much."


def test_a_wrong_answer_is_told_what_is_wrong(say: Say) -> None:
    """Bug: "wrong", and not a word of what was given and what was expected."""
    message = "double([1, 2]) gave [1, 2] (int64 tensor); twice as much was expected."
    assert say(doubles, lambda x: x) == f"Exercise 7: not yet. {message}"


def failing(x):
    more = x + 1
    return more + "one"


def failing_inside_torch(x):
    return torch.cat([x, "one"])


def test_code_that_fails_is_shown_with_its_line(say: Say) -> None:
    """Bug: a traceback through our own machinery, in which the learner's line is the ninth of twelve."""
    said = say(doubles, failing)
    assert said.startswith("Exercise 7: your code stopped with TypeError: ")
    line = failing.__code__.co_firstlineno + 2
    assert said.endswith(f'Line {line}: return more + "one"')
    assert say(doubles, failing_inside_torch).endswith('return torch.cat([x, "one"])')


def test_an_answer_the_check_cannot_use_stops_nothing(say: Say) -> None:
    """Bug: a learner who forgot `return` is told of an error in a file they never wrote."""
    said = say(start.exercise_2, 12)
    assert said.startswith("Exercise 2: not yet. The check could not use your answer, 12: TypeError: 'int'")


def test_the_plain_check_stays_within_reach() -> None:
    assert doubles.__wrapped__(lambda x: 2 * x) == "Twice as much."
    with pytest.raises(Wrong, match="twice as much was expected"):
        doubles.__wrapped__(lambda x: x)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        ("text", "'text'"),
        (torch.tensor([0.5, 1.0]), "[0.5, 1.0] (float32 tensor)"),
        (torch.zeros(3, 20), "a tensor of shape (3, 20), float32"),
        (failing, "the function `failing`"),
        (Stub, "the class `Stub`"),
    ],
)
def test_values_are_shown_short(value: Any, text: str) -> None:
    """Bug: a message that is a screen of numbers, or a memory address that differs at each run."""
    assert short(value) == text


def test_a_long_value_is_cut() -> None:
    assert short("a" * 500) == "'" + "a" * 118 + "…"


MODULES = {
    name: importlib.import_module(f"{checks.__name__}.{name}") for _, name, _ in pkgutil.iter_modules(checks.__path__)
}
EXERCISES = [
    (name, entry) for name, module in MODULES.items() for entry in vars(module) if entry.startswith("exercise_")
]


@pytest.mark.parametrize("answer", [..., bare], ids=["dots", "stub"])
@pytest.mark.parametrize(("name", "exercise_n"), EXERCISES)
def test_every_exercise_waits_for_an_answer(say: Say, name: str, exercise_n: str, answer: Any) -> None:
    """Bug: a learner who has not begun is told that something is wrong."""
    number = exercise_n.removeprefix("exercise_")
    assert say(getattr(MODULES[name], exercise_n), answer).startswith(f"Exercise {number}: still to do.")


def test_all_chapters_have_exercises() -> None:
    """Bug: the folder moves, and the test above runs over nothing."""
    assert {name for name, _ in EXERCISES} == set(MODULES) - {"feedback"} and len(MODULES) >= 11
