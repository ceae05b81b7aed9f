"""Chapter 0: what its checks say, and the line to type in."""

from __future__ import annotations

import math
from typing import Any

import pytest
from learner import Say

from ift_lib.course.checks import start as checks
from ift_lib.course.widgets.ask_both import Answers, ask_both
from ift_lib.data import Example
from ift_lib.model import GPT
from ift_lib.templates import ALPACA, PHI3

# --- exercise 1 ---


def test_1_right(say: Say) -> None:
    assert say(checks.exercise_1, Example("What is the plural of fox?")).startswith("Exercise 1: right. With the frame")
    assert say(checks.exercise_1, Example("Write the plural.", "fox")).startswith("Exercise 1: right.")
    assert say(checks.exercise_1, ...).startswith("Exercise 1: still to do.")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("What is the plural of fox?", 'speaks in examples: Example("What is the plural of fox?")'),
        (["What?"], "must be one Example, not ['What?']."),
        ([Example("What?")], "must be one Example, not [Example("),
        (Example, "must be one Example, not the class `Example`"),
        (Example(" "), "The instruction is empty"),
        (Example("Write the plural.", "fox", "foxes"), "the answer along, 'foxes'"),
    ],
)
def test_1_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: a first attempt gets "wrong" and no way on."""
    said = say(checks.exercise_1, answer)
    assert said.startswith("Exercise 1: not yet.") and words in said


# --- exercise 2 ---


def test_2_right(say: Say) -> None:
    assert say(checks.exercise_2, lambda n, b, e: math.ceil(n / b) * e).startswith("Exercise 2: right.")
    assert say(checks.exercise_2, lambda n, b, e: -(-n // b) * e).startswith("Exercise 2: right.")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n, b, e: n // b * e, "left over are no full batch"),
        (lambda n, b, e: math.ceil(n / b), "That is one epoch"),
        (lambda n, b, e: math.ceil(n * e / b), "never reaches from one epoch into the next"),
        (lambda n, b, e: n * e, "not once for each example"),
        (lambda n, b, e: n / b * e, "must be a whole number, not 32.0. A step is taken or it is not"),
        (lambda n, b, e: 1, "How many batches does one epoch have?"),
        (lambda n, b, e: None, "not None: is the `return` missing?"),
    ],
)
def test_2_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: the usual mistakes all get the same message."""
    said = say(checks.exercise_2, answer)
    assert said.startswith("Exercise 2: not yet.") and words in said


# --- exercise 3 ---


def test_3_right(say: Say) -> None:
    assert say(checks.exercise_3, ALPACA.prompt).startswith("Exercise 3: right.")
    assert say(checks.exercise_3, lambda q: ALPACA.render(q)[0]).startswith("Exercise 3: right.")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda q: PHI3.prompt(q), "That is the Phi-3 format"),
        (lambda q: q.instruction, "That is the bare instruction"),
        (lambda q: f"{q.instruction} {q.input}", "That is the bare instruction"),
        (lambda q: ALPACA.prompt(q) + ALPACA.response(q), "That holds the answer"),
        (lambda q: ALPACA.prompt(q).strip(), "the white space at the ends differs"),
        (lambda q: ALPACA.prompt(Example(q.instruction)), "The input is missing"),
        (lambda q: ALPACA.render(q), "You gave a pair, as `render` does"),
        (lambda q: "### " + q.instruction, "Which object of ift_lib rendered the training examples?"),
        (lambda q: None, "not None: is the `return` missing?"),
    ],
)
def test_3_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: as above."""
    said = say(checks.exercise_3, answer)
    assert said.startswith("Exercise 3: not yet.") and words in said


# --- the line to type in ---


def test_what_is_typed_is_asked_of_every_model(tiny: GPT) -> None:
    """Bug: the table stays at the first question; or the two columns are the same model."""
    widget = ask_both({"before": tiny, "after": tiny}, ALPACA, "Say hi.")
    assert "Say hi." in widget.view.value and widget.view.value.count('<th scope="col">') == 3
    widget.line.value = "Say <b>bye</b>."
    assert "Say &lt;b&gt;bye&lt;/b&gt;." in widget.view.value and "Say hi." not in widget.view.value


@pytest.mark.parametrize(("typed", "told"), [("  ", "Type an instruction"), ("word " * 101, "at most 100 words")])
def test_what_cannot_be_asked_gets_a_sentence(tiny: GPT, typed: str, told: str) -> None:
    """Bug: an empty line, or a pasted page, ends in a traceback that the widget swallows."""
    widget = ask_both({"model": tiny}, ALPACA, "Say hi.")
    widget.line.value = typed
    assert told in widget.view.value


def test_the_widget_has_a_twin(tiny: GPT) -> None:
    """Bug: without a kernel there is nothing to see."""
    bundle = ask_both({"model": tiny}, ALPACA, "Say hi.")._repr_mimebundle_()
    assert "Say hi." in bundle["text/html"] and "<caption>" in bundle["text/html"]


def test_answers_are_shown_as_text() -> None:
    """Bug: a model that writes HTML draws on the page."""
    shown = Answers([Example("Say it.", "now")], {"m": ["<script>alert(1)</script>"]})
    assert "&lt;script&gt;" in shown._repr_html_() and "Say it. now" in shown._repr_html_()
    assert repr(shown) == "Answers of m to 1 instructions"
