"""A benchmark put to a language model: question by question, written down as it goes, taken up again after a stop.

    run_benchmark(BENCHMARK, model, "pocket", "evaluations/pocket")

    evaluations/pocket/mmlu.jsonl   which model and settings; then one answer a line, on the disk before more is asked
    run again                       a question that has its answer there is not asked again
    evaluations/pocket/mmlu.json    the scores, every item with its answer, the seconds

A kill loses at most the questions in hand, one chunk. Not covered: two runs that write to one file at once.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ift_lib.errors import InputError
from ift_lib.evaluation.tasks import Answer, Benchmark, Choose, Complete, LanguageModel, LogLikelihood, Question, Result
from ift_lib.files import append_lines, whole_lines, write_text

PROTOCOL = 1
"""Raised whenever the same question may get another answer: a new rule of encoding, truncation or sampling."""

CHUNK = 64
"""Questions in hand: enough to run side by side, few enough to lose."""


def run_benchmark(
    benchmark: Benchmark,
    model: LanguageModel,
    model_name: str,
    out: str | Path,
    *,
    data: str | None = None,
    shots: int | None = None,
    limit: int | None = None,
    seed: int = 123,
    chunk: int = CHUNK,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Result:
    """Ask every question that has no answer in `out` yet, score them all, write NAME.jsonl and NAME.json there.

    `model_name` says which model it is, down to its weights and how it is asked. `data`, `shots` and `limit` are the
    benchmark's own; `seed` is for what is sampled. `on_progress` is told the questions answered and those in all,
    before the first is asked and after each chunk. Raises InputError when `out` holds answers of another model or to
    other settings (another limit is none), and whatever the benchmark raises for its data.
    """
    questions = benchmark.load(data, shots=shots, limit=limit)
    assert len({q.id for q in questions}) == len(questions), f"{benchmark.name}: two questions have one id"
    settings = {
        "protocol": PROTOCOL,
        "benchmark": benchmark.name,
        "model": model_name,
        "data": str(Path(data).resolve()) if data else "embedded",
        "shots": shots,
        "seed": seed,
    }
    log = _Log(Path(out) / f"{benchmark.name}.jsonl", settings)
    keys = {q.id: _key(q) for q in questions}
    done = sum(key in log.answers for key in keys.values())
    on_progress(done, len(questions))
    for at in range(0, len(questions), chunk):
        # Cut at the same places whatever is there already: a resumed run computes in the same batches.
        waiting = [q for q in questions[at : at + chunk] if keys[q.id] not in log.answers]
        if waiting:
            log.append({keys[answer.id]: answer for answer in ask(model, waiting, seed)})
            done += len(waiting)
            on_progress(done, len(questions))
    answers = [log.answers[keys[q.id]] for q in questions]
    result = benchmark.score(questions, answers)
    report = _report(settings | {"limit": limit}, questions, answers, result)
    write_text(Path(out) / f"{benchmark.name}.json", json.dumps(report, indent=1) + "\n")
    return result


# --- asking ---


def ask(model: LanguageModel, questions: Sequence[Question], seed: int = 123) -> list[Answer]:
    """The model's answers, in order; the time is shared out evenly among those asked at once.

    What is sampled is asked alone, with a seed of its own: it must not depend on what else is asked.
    """
    batches: dict[Any, list[Question]] = {}
    for q in questions:
        how = replace(q.ask, prompt="") if isinstance(q.ask, Complete) else None
        batches.setdefault((how, q.id if how and how.temperature else ""), []).append(q)
    answers: dict[str, Answer] = {}
    for (how, _), batch in batches.items():
        started = time.perf_counter()
        replies = _complete(model, batch, how, seed) if how else _choose(model, batch)
        seconds = (time.perf_counter() - started) / len(batch)
        answers |= {reply.id: replace(reply, seconds=round(seconds, 4)) for reply in replies}
    return [answers[q.id] for q in questions]


def _choose(model: LanguageModel, batch: Sequence[Question]) -> list[Answer]:
    """All choices of all questions at once."""
    pairs = [list(zip(q.ask.contexts, q.ask.choices, strict=True)) for q in batch if isinstance(q.ask, Choose)]
    told = iter(model.loglikelihood([pair for each in pairs for pair in each]))
    return [Answer(q.id, logliks=tuple(islice(told, len(each)))) for q, each in zip(batch, pairs, strict=True)]


def _complete(model: LanguageModel, batch: Sequence[Question], how: Complete, seed: int) -> list[Answer]:
    """All samples of all questions at once."""
    prompts = [q.ask.prompt for q in batch if isinstance(q.ask, Complete) for _ in range(how.samples)]
    texts = model.generate(
        prompts,
        stop=how.stop,
        max_new_tokens=how.max_new_tokens,
        temperature=how.temperature,
        seed=int(_sha256([seed, batch[0].id])[:8], 16),
    )
    told = iter(texts)
    return [Answer(q.id, texts=tuple(islice(told, how.samples))) for q in batch]


# --- the answers on the disk ---

Key = tuple[str, str]
"""A question's id and the hash of what was asked: an answer to another wording is no answer."""


def _key(question: Question) -> Key:
    return question.id, _sha256([type(question.ask).__name__, asdict(question.ask)])


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode("ascii")).hexdigest()


class _Log:
    """A file of answers; its first line says whose they are, and how they were asked for."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        lines = whole_lines(path) if path.exists() else []
        if lines:
            _refuse_others(path, lines[0], settings)
        self.answers = dict(_read(path, number, line) for number, line in enumerate(lines[1:], 2))
        # Half a line at the end, left by a kill, goes before the next is appended.
        write_text(path, "".join(f"{line}\n" for line in [json.dumps(settings), *lines[1:]]))

    def append(self, new: dict[Key, Answer]) -> None:
        """Write a line for each answer, and see them on the disk."""
        # ASCII, as json writes: a model's text may hold half a surrogate pair, which UTF-8 cannot.
        append_lines(self.path, [json.dumps({"asked": asked, **asdict(a)}) for (_, asked), a in new.items()])
        self.answers |= new


def _read(path: Path, number: int, line: str) -> tuple[Key, Answer]:
    """The answer in a line."""
    try:
        entry = json.loads(line)
        logliks = tuple(LogLikelihood(*each) for each in entry["logliks"])
        answer = Answer(entry["id"], logliks, tuple(entry["texts"]), entry["seconds"])
        return (entry["id"], entry["asked"]), answer
    except (ValueError, KeyError, TypeError) as e:
        raise InputError(f"{path}, line {number}: is no answer ({e}); move the file away to start anew") from e


def _refuse_others(path: Path, line: str, settings: dict[str, Any]) -> None:
    """Raise InputError, naming every difference, when the answers in the file are those of another run."""
    try:
        there = dict(json.loads(line))
    except (ValueError, TypeError) as e:
        raise InputError(f"{path}, line 1: holds no settings ({e}); move the file away to start anew") from e
    others = [
        f"{name} {there.get(name)!r}, not {value!r}" for name, value in settings.items() if there.get(name) != value
    ]
    if others:
        raise InputError(
            f"{path}: holds the answers of another run: {'; '.join(others)}. Name another folder, or move the file away"
        )


# --- the report ---


def _report(
    settings: dict[str, Any], questions: Sequence[Question], answers: Sequence[Answer], result: Result
) -> dict[str, Any]:
    """All there is to know, as JSON: settings, scores, notes, and every item with its answer."""
    return {
        **settings,
        "seconds": round(sum(a.seconds for a in answers), 1),
        "scores": [asdict(score) for score in result.scores],
        "notes": result.notes,
        "items": [
            {"id": q.id, "group": q.group, **_question_and_answer(q, a), "gold": q.gold, **result.items.get(q.id, {})}
            for q, a in zip(questions, answers, strict=True)
        ],
    }


def _question_and_answer(question: Question, answer: Answer) -> dict[str, Any]:
    """What was asked and said; a context that all choices share stands there once."""
    if isinstance(question.ask, Complete):
        return {"prompt": question.ask.prompt, "answers": answer.texts}
    contexts = question.ask.contexts
    return {
        "prompt": contexts[0] if len(set(contexts)) == 1 else contexts,
        "choices": question.ask.choices,
        "logprobs": [told.logprob for told in answer.logliks],
    }
