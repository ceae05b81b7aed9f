"""A finished run, read back from its folder and checked.

config.json       what was asked for
split.json        {"train": [indices], "validation": […], "test": […]}
history.json      the losses
responses.jsonl   one test example a line: the question, the reference, the answers, their scores
machine.json      where it ran, and how fast
problems.json     what was wrong with the data file, as a list of texts
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ift_lib.errors import InputError
from ift_lib.history import History

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """A test example with what the model answered, before and after fine-tuning, and how that scored."""

    index: int
    """Place of the example in the data file, from 0."""
    instruction: str
    input: str
    output: str
    """The reference."""
    category: str
    response: str
    ended: bool
    """The model stopped by itself, and was not cut at the length limit."""
    exact_match: float
    token_f1: float
    rouge_l: float
    before: str | None = None
    """The untrained model's answer, if it was asked."""
    verified: bool | None = None
    """What a rule says of the response; None where there is no rule."""
    verified_before: bool | None = None
    """What the same rule says of the answer before."""

    @property
    def verdict(self) -> str:
        """Right, wrong or unchecked: as the rule says; without one, equal to the reference is right."""
        if self.verified is None:
            return "right" if self.exact_match == 1 else "unchecked"
        return "right" if self.verified else "wrong"


@dataclass(frozen=True)
class Run:
    """Everything a report tells of."""

    config: dict[str, Any]
    split: dict[str, list[int]]
    history: History
    answers: list[Answer]
    machine: dict[str, Any]
    problems: list[str]


def load_run(folder: str | Path) -> Run:
    """Read a run folder. Raises one InputError that names every file missing or broken."""
    folder, faults = Path(folder), []

    def read(name: str, parse: Callable[[str], T]) -> T | None:
        try:
            return parse((folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            faults.append(f"{name} is missing")
        except (OSError, ValueError, TypeError, RecursionError) as e:
            faults.append(f"{name} is broken: {e}")
        return None

    config = read("config.json", partial(_checked, ok=_is_object, what="an object"))
    split = read("split.json", partial(_checked, ok=_is_split, what="three lists: train, validation, test"))
    history = read("history.json", _parse_history)
    answers = read("responses.jsonl", _parse_answers)
    machine = read("machine.json", partial(_checked, ok=_is_machine, what="an object, its seconds numbers by name"))
    problems = read("problems.json", partial(_checked, ok=_is_texts, what="a list of texts"))
    if faults:
        raise InputError(f"{folder}: {'; '.join(faults)}. Give the folder of a finished run")
    return Run(config, split, history, answers, machine, problems)  # type: ignore[arg-type]


def _checked(text: str, ok: Callable[[Any], bool], what: str) -> Any:
    """The JSON value, if it is what it should be."""
    value = json.loads(text)
    if not ok(value):
        raise ValueError(f"it should hold {what}")
    return value


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_split(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(p), list) for p in ("train", "validation", "test"))


def _is_machine(value: Any) -> bool:
    seconds = value.get("seconds", {}) if isinstance(value, dict) else None
    return isinstance(seconds, dict) and all(isinstance(s, int | float) for s in seconds.values())


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _parse_history(text: str) -> History:
    """The losses, with at least one validation loss: a run measures one before its first step."""
    try:
        history = History.from_json(json.loads(text))
    except AttributeError as e:
        raise ValueError("it should hold lists of points under train and validation") from e
    if not history.validation:
        raise ValueError("it holds no validation loss")
    return history


def _parse_answers(text: str) -> list[Answer]:
    """One object a line."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise ValueError("it holds no response")
    return [_parse_answer(number, line) for number, line in lines]


_KINDS: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
    "str | None": (str, type(None)),
    "bool | None": (bool, type(None)),
}


def _parse_answer(number: int, line: str) -> Answer:
    """One line of responses.jsonl; fields that Answer does not know are left aside."""
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as e:
        raise ValueError(f"line {number} is no JSON ({e.msg})") from e
    if not isinstance(entry, dict):
        raise ValueError(f"line {number} is no object")
    for field in fields(Answer):
        if field.name not in entry and field.default is MISSING:
            raise ValueError(f"line {number} has no {field.name!r}")
        value, kinds = entry.get(field.name), _KINDS[str(field.type)]
        if not isinstance(value, kinds) and field.name in entry:
            raise ValueError(f"line {number}: {field.name!r} is a {type(value).__name__}, not {field.type}")
    return Answer(**{field.name: entry[field.name] for field in fields(Answer) if field.name in entry})
