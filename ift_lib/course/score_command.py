"""`ift score`: does this model beat the baseline on the held-out set?

ift score runs/1                 the model of a run; its data must hold none of the questions
ift score runs/1 --report        and a report to fill in
ift score my_model --data mine.json

runs/1/score/score.json          every number, and the hashes of questions, baseline, model and data
             answers.jsonl       the model's answers, in the form of a run's responses.jsonl
             report.md           with --report
runs/heldout_scores.jsonl        the log: who was scored on which held-out set, one line each time

For any other model: scores/MODEL/… and scores/heldout_scores.jsonl.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ift_lib.course.capstone_report import report_skeleton
from ift_lib.course.evaluate_command import MODELS
from ift_lib.course.show import visible
from ift_lib.data import EMBEDDED, load_examples
from ift_lib.errors import InputError
from ift_lib.evaluation.heldout import (
    CAPSTONE,
    Comparison,
    Task,
    compare_with_baseline,
    file_sha256,
    find_leaks,
    load_task,
)
from ift_lib.evaluation.language_models import fingerprint
from ift_lib.files import append_lines, whole_lines, write_text
from ift_lib.generation import Response, respond
from ift_lib.hardware import choose_device
from ift_lib.templates import ALPACA, TEMPLATES, Template
from ift_lib.weights import load_pretrained

MAX_NEW_TOKENS = 48
"""Longest answer, in tokens: three times the longest reference. Part of the protocol, so not an option."""
LOG = "heldout_scores.jsonl"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of `ift score`."""
    parser.description = (
        "Answer the held-out questions, compare with the baseline in pairs, write the score into the run."
    )
    parser.add_argument("model", metavar="RUN_OR_MODEL", help="folder of a finished run, or a model's folder or name")
    parser.add_argument("--report", action="store_true", help="write a report with the numbers in it, to fill in")
    parser.add_argument("--data", metavar="FILE", help="what a model that is no run was trained on, to look for leaks")
    parser.add_argument("--task", metavar="FOLDER", default=CAPSTONE, help="another held-out set (default: our own)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto (default: cpu, for equal digits)")
    parser.set_defaults(do=_score)


def _score(args: argparse.Namespace) -> None:
    task = load_task(args.task)
    contestant = find_contestant(args.model, args.data)
    report = contestant.out / "report.md"
    if args.report and report.exists():
        raise InputError(f"{report}: exists already, and may hold what you wrote; move it away, or leave out --report")
    refuse_leaks(contestant.data, task)
    model = load_pretrained(contestant.weights, device=choose_device(args.device))
    responses = respond(model, task.questions, contestant.template, max_new_tokens=MAX_NEW_TOKENS)
    score = make_score(task, contestant, fingerprint(model), [response.text for response in responses])
    write_answers(contestant.out / "answers.jsonl", task, responses, score["right_items"])
    score["looks"] = note_look(contestant.log, score)
    comparison = Comparison(score.pop("right_items"), score.pop("baseline_items"))
    score |= summary(comparison, score["looks"])
    write_text(contestant.out / "score.json", json.dumps(score, indent=1, ensure_ascii=False) + "\n")
    print(score_table(score))
    print(f"every number: {contestant.out / 'score.json'}; the answers: {contestant.out / 'answers.jsonl'}")
    if args.report:
        write_text(report, report_skeleton(task, score, [response.text for response in responses]))
        print(f"your report, to fill in: {report}")


# --- who is scored ---


@dataclass(frozen=True)
class Contestant:
    """A model, and what must be known about it."""

    name: str
    weights: str
    """What `load_pretrained` takes."""
    template: Template
    data: list[Path]
    """Every file it was fine-tuned on; empty when nobody says."""
    out: Path
    """The folder for score, answers and report."""
    log: Path
    """The log of everything scored beside it."""


def find_contestant(name: str, data: str | None = None) -> Contestant:
    """The run or model of that name. Raises InputError for a run that is not finished, or whose data have changed."""
    folder = Path(name)
    if folder.name == "model" and (folder.parent / "split.json").exists():
        folder = folder.parent  # the model of a run has the run's data and the run's log
    if name not in MODELS and (folder / "split.json").exists():
        if data:
            raise InputError(f"--data {data}: {folder} is a run and names its own data; leave --data out")
        config = _run_config(folder)
        if not (folder / "model").is_dir():
            raise InputError(f"{folder}: this run is not finished; go on with: ift run --resume {folder}")
        template, out, log = TEMPLATES[config["template"]], folder / "score", folder.resolve().parent / LOG
        return Contestant(str(folder), str(folder / "model"), template, list(_data_of(folder)), out, log)
    scores = Path("scores")
    return Contestant(name, name, template_of(folder), [Path(data)] if data else [], scores / folder.name, scores / LOG)


def _run_config(run: Path) -> dict[str, Any]:
    """What the run was asked for; InputError if it does not say."""
    try:
        config: dict[str, Any] = json.loads((run / "config.json").read_text(encoding="utf-8"))
        if config["template"] not in TEMPLATES:
            raise ValueError(f"template {config['template']!r} is unknown")
        return {name: config[name] for name in ("data", "data_sha256", "model", "template")}
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise InputError(f"{run}: no finished run ({e}); name the folder that `ift run` printed") from e


def _data_of(run: Path) -> Iterator[Path]:
    """The data file of a run, then those of the runs that its model comes from."""
    config = _run_config(run)
    path = EMBEDDED if config["data"] == "embedded" else Path(config["data"])
    if not path.exists():
        raise InputError(f"{path}: is not there, and {run} was trained on it; put it back, to be searched for leaks")
    if file_sha256(path) != config["data_sha256"]:
        raise InputError(f"{path}: has changed since {run} was trained on it; put the old file back or train anew")
    yield path
    earlier = Path(config["model"]).parent
    if config["model"] not in MODELS and (earlier / "split.json").exists():
        yield from _data_of(earlier)


def template_of(folder: Path) -> Template:
    """The template that an exported model names in its tokenizer's settings; Alpaca for one that names none of ours."""
    path = folder / "tokenizer_config.json"
    stored = json.loads(path.read_text(encoding="utf-8")).get("chat_template") if path.exists() else None
    return next((template for template in TEMPLATES.values() if template.chat_template == stored), ALPACA)


def refuse_leaks(data: Sequence[Path], task: Task) -> None:
    """Raise InputError if any of these files holds a held-out question, naming up to twenty."""
    for path in data:
        examples = load_examples(path, skip_problems=True)
        if leaks := find_leaks(examples, task.questions):
            lines = [f"  example {k.entry}: {_short(k.kind, task, k.question)}" for k in leaks[:20]]
            lines += [f"  … and {len(leaks) - 20:,} more"] if len(leaks) > 20 else []
            raise InputError(
                f"{path}: {len(leaks):,} of its {len(examples):,} examples give held-out questions away:\n"
                + "\n".join(lines)
                + "\nA model that has seen the questions cannot be scored on them: take these out and train anew"
            )


def _short(kind: str, task: Task, question: int) -> str:
    message = task.questions[question].input or task.questions[question].instruction
    return f"{kind} as held-out question {question}, {visible(message)[:70]!r}".replace("contains it as", "contains")


# --- the score ---


def make_score(task: Task, contestant: Contestant, model: str, answers: Sequence[str]) -> dict[str, Any]:
    """Who was scored on what, and each item; `summary` makes numbers of the items."""
    comparison = compare_with_baseline(task, answers)
    return {
        "model": contestant.name,
        "weights": model,
        "template": contestant.template.name,
        "data": [{"file": path.name, "sha256": file_sha256(path)} for path in contestant.data],
        "heldout_sha256": task.sha256,
        "baseline_sha256": task.record["baseline_sha256"],
        "torch": torch.__version__,
        "categories": by_category(task, comparison),
        "right_items": comparison.right,
        "baseline_items": comparison.baseline,
    }


def summary(comparison: Comparison, looks: int) -> dict[str, Any]:
    """The numbers of a score."""
    return {
        "questions": len(comparison.right),
        "right": sum(comparison.right),
        "baseline_right": sum(comparison.baseline),
        "won": comparison.won,
        "lost": comparison.lost,
        "difference": comparison.difference,
        "interval": list(comparison.interval()),
        "interval_for_all_looks": list(comparison.interval(looks)),
        "verdict": comparison.verdict(looks),
    }


def by_category(task: Task, comparison: Comparison) -> dict[str, dict[str, int]]:
    """Right answers of both models for each kind of question."""
    found: dict[str, dict[str, int]] = {}
    for question, new, old in zip(task.questions, comparison.right, comparison.baseline, strict=True):
        counts = found.setdefault(question.category, {"questions": 0, "right": 0, "baseline_right": 0})
        counts["questions"] += 1
        counts["right"] += new
        counts["baseline_right"] += old
    return dict(sorted(found.items()))


def score_table(score: dict[str, Any]) -> str:
    """The score as lines of text."""
    n, looks = score["questions"], score["looks"]
    lines = [f"{'':14} {'questions':>9} {'baseline':>9} {'this model':>14}"]
    for name, c in [*score["categories"].items(), ("all", score)]:
        lines.append(f"{visible(name)[:14]:14} {c['questions']:9} {c['baseline_right']:9} {c['right']:14}")
    low, high = score["interval"]
    lines += [
        "",
        f"of {n} questions, {len(score['won'])} only this model has right, {len(score['lost'])} only the baseline",
        f"difference {score['difference']:+.1%}, 95% interval {low:+.1%} to {high:+.1%}",
    ]
    if looks > 1:
        low, high = score["interval_for_all_looks"]
        lines += [
            f"{looks} models were scored here on this held-out set, and the best of many looks better than it is;",
            f"an interval that allows for all {looks}: {low:+.1%} to {high:+.1%}",
        ]
    else:
        lines.append("the first model scored here on this held-out set")
    if not score["data"]:
        lines.append("what it was trained on is not known: leaks were not looked for (--data FILE)")
    return "\n".join([*lines, f"verdict: {score['verdict']}"])


def write_answers(path: Path, task: Task, responses: Sequence[Response], right: Sequence[bool]) -> None:
    """Every question with both answers; `load_items` and the review desk open it."""
    lines = [
        json.dumps(
            {
                "index": i,
                **asdict(question),
                "before": task.baseline[i],
                "response": response.text,
                "ended": response.ended,
                "verified": right[i],
            },
            ensure_ascii=False,
        )
        for i, (question, response) in enumerate(zip(task.questions, responses, strict=True))
    ]
    write_text(path, "\n".join(lines) + "\n")


def note_look(log: Path, score: dict[str, Any]) -> int:
    """Add a line to the log; return how many different models it has for this held-out set, this one included.

    The same weights once more are no new look: they give the same answers. Raises InputError for a broken log.
    """
    seen = {score["weights"]}
    for number, line in enumerate(whole_lines(log) if log.exists() else [], 1):
        try:
            entry = json.loads(line)
            seen |= {entry["weights"]} if entry["heldout_sha256"] == score["heldout_sha256"] else set()
        except (ValueError, KeyError, TypeError) as e:
            raise InputError(f"{log}, line {number}: is no entry of the log ({e}); mend or remove that line") from e
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    names = ("model", "weights", "data", "heldout_sha256")
    entry = {"time": now, **{name: score[name] for name in names}, "right": sum(score["right_items"])}
    log.parent.mkdir(parents=True, exist_ok=True)
    append_lines(log, [json.dumps(entry, ensure_ascii=False)])
    return len(seen)
