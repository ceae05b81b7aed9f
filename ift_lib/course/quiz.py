"""The quiz at the end of a chapter: buttons where a kernel runs, folded text everywhere else.

    from ift_lib.course.quiz import quiz
    quiz("03_batching")

Questions are data, one file for each chapter in `quizzes/`: a question, its options, and the explanation of each
option, the right one and the wrong ones alike. A translated quiz lies in a folder of its language: quiz("pt-br/03_batching").
"""

from __future__ import annotations

import html
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from ift_lib.errors import InputError

QUIZZES = Path(__file__).parent / "quizzes"


@dataclass(frozen=True)
class Words:
    """What a quiz says besides its questions, in one language."""

    quiz: str
    choose: str
    right: str
    wrong: str
    answer: str
    score: str
    open: str
    done: str


WORDS = {
    "": Words(
        quiz="Quiz {name}: {count} questions",
        choose="Choose {letter}: {text}",
        right="Right.",
        wrong="Not this one.",
        answer="Answer to question {number}",
        score="Right at the first choice: {right} of {answered}.",
        open="Choose an answer to see why it is right or wrong.",
        done="All answered.",
    ),
    "pt-br": Words(
        quiz="Quiz {name}: {count} perguntas",
        choose="Escolher {letter}: {text}",
        right="Certo.",
        wrong="Esta não.",
        answer="Resposta da pergunta {number}",
        score="Certas na primeira escolha: {right} de {answered}.",
        open="Escolha uma resposta para ver por que ela está certa ou errada.",
        done="Todas respondidas.",
    ),
}
"""By the folder of `quizzes/`; "" is English."""


@dataclass(frozen=True)
class Option:
    """One of the answers to choose from."""

    text: str
    right: bool
    why: str
    """Why it is right, or what makes it wrong."""


@dataclass(frozen=True)
class Question:
    """A question with three or four options, exactly one of them right."""

    question: str
    options: tuple[Option, ...]

    def __post_init__(self) -> None:
        if len(self.options) not in (3, 4):
            raise ValueError(f"{self.question!r} has {len(self.options)} options: a question has three or four")
        if sum(option.right for option in self.options) != 1:
            raise ValueError(f"{self.question!r} needs exactly one option with right: true")
        if len({option.text for option in self.options}) < len(self.options):
            raise ValueError(f"{self.question!r} has the same option twice")
        for option in self.options:
            if not option.why.strip():
                raise ValueError(f"{self.question!r}: the option {option.text!r} has no why: every option needs one")

    def shuffled(self) -> tuple[Option, ...]:
        """The options in an order that depends on the question's text alone, so that the place says nothing."""
        options = list(self.options)
        random.Random(self.question).shuffle(options)
        return tuple(options)


def load_quiz(name: str) -> list[Question]:
    """The questions of a chapter, such as "03_batching" or "pt-br/03_batching"; InputError if there is no such quiz."""
    path = QUIZZES / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(p.relative_to(QUIZZES).with_suffix("").as_posix() for p in QUIZZES.rglob("*.json")))
        raise InputError(f"there is no quiz {name!r}; there are: {known}")
    entries = json.loads(path.read_text(encoding="utf-8"))
    return [Question(e["question"], tuple(Option(**option) for option in e["options"])) for e in entries]


def quiz(name: str) -> Quiz:
    """The quiz of a chapter, to be the last line of a cell."""
    return Quiz(name, load_quiz(name))


class Quiz(widgets.VBox):
    """A quiz to click through. Where no kernel runs, the same output shows it as text with folded answers.

    Each option has a button (reached with Tab, pressed with Space); its explanation appears below it. The line at the
    end counts the questions whose first choice was right.
    """

    def __init__(self, name: str, questions: list[Question]) -> None:
        self.name, self.questions = name, questions
        self.words = WORDS[name.rpartition("/")[0]]
        self.first: dict[int, bool] = {}
        """Whether the first choice was right, for each question that has been answered."""
        self.score = widgets.HTML()
        self.rows = [[_Row(letter, option, self.words) for letter, option in _lettered(q)] for q in questions]
        boxes = []
        for place, (question, rows) in enumerate(zip(questions, self.rows, strict=True)):
            for row in rows:
                row.button.on_click(lambda _, place=place, row=row: self._choose(place, row))
            title = widgets.HTML(f"<b>{place + 1}. {_text(question.question)}</b>")
            boxes.append(widgets.VBox([title, *rows], layout={"margin": "0 0 1em 0"}))
        super().__init__([*boxes, self.score])
        self._count()

    def _choose(self, place: int, row: _Row) -> None:
        """A click: show why, and count it if it is the first for this question."""
        row.explain()
        self.first.setdefault(place, row.option.right)
        self._count()

    def _count(self) -> None:
        score = self.words.score.format(right=sum(self.first.values()), answered=len(self.first))
        ending = self.words.open if len(self.first) < len(self.questions) else self.words.done
        self.score.value = f'<p role="status" aria-live="polite">{score} {ending}</p>'

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget, and its twin for readers without a kernel."""
        bundle = super()._repr_mimebundle_(**kwargs)
        twin = {
            "text/plain": self.words.quiz.format(name=self.name, count=len(self.questions)),
            "text/html": static_quiz(self.questions, self.words),
        }
        if isinstance(bundle, tuple):  # (data, metadata)
            return {**bundle[0], **twin}, bundle[1]
        return {**(bundle or {}), **twin}


class _Row(widgets.VBox):
    """One option: its button, its text, and the place of its explanation."""

    def __init__(self, letter: str, option: Option, words: Words) -> None:
        self.option, self.words = option, words
        told = words.choose.format(letter=letter, text=option.text)
        self.button = widgets.Button(description=letter, tooltip=told, layout={"width": "3em", "flex": "0 0 auto"})
        self.why = widgets.HTML()
        text = widgets.HTML(_text(option.text))
        super().__init__([widgets.HBox([self.button, text], layout={"align_items": "center"}), self.why])

    def explain(self) -> None:
        self.why.value = f'<p role="status" style="margin:0 0 0.4em 4em">{_judged(self.option, self.words)}</p>'


def static_quiz(questions: list[Question], words: Words = WORDS[""]) -> str:
    """The quiz as HTML that needs no script: each answer lies folded under its question.

    Used where no kernel runs: on GitHub, in the book, in a notebook that has just been opened.
    """
    pieces = []
    for place, question in enumerate(questions, 1):
        options = _lettered(question)
        asked = "".join(f"<li>{_text(option.text)}</li>" for _, option in options)
        told = "".join(f"<li>{_judged(option, words)}</li>" for _, option in options)
        pieces.append(
            f"<p><b>{place}. {_text(question.question)}</b></p>"
            f'<ol type="A">{asked}</ol>'
            f'<details><summary>{words.answer.format(number=place)}</summary><ol type="A">{told}</ol></details>'
        )
    return f'<div class="quiz">{"".join(pieces)}</div>'


def _lettered(question: Question) -> list[tuple[str, Option]]:
    return list(zip("ABCD", question.shuffled(), strict=False))


def _judged(option: Option, words: Words) -> str:
    """The sign, the word and the reason: colour says nothing here."""
    sign, word = ("✓", words.right) if option.right else ("✗", words.wrong)
    return f"{sign} <b>{word}</b> {_text(option.why)}"


def _text(text: str) -> str:
    """Plain text as HTML; what stands in backticks becomes code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
