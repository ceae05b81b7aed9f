"""The report of a run: one page that says what was done, how good it became, and how sure that is.

    write_report("runs/first")   reads the folder's files (see run_folder.py), writes runs/first/report.html

The page is one file that asks for nothing from anywhere, is complete without its script, and shows anyone's
text harmlessly (see show.py). Beside this file: report.html is the frame, report.css and report.js go in it.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from string import Template
from typing import Any

from ift_lib.course.markup import duration, figure, number, percent, table
from ift_lib.course.run_folder import Answer, Run, load_run
from ift_lib.course.scores import by_category, category_of, f1_before, right_by_rule, scores_section
from ift_lib.course.show import attribute, block, inline
from ift_lib.evaluation.metrics import bootstrap_interval, wilson_interval
from ift_lib.files import write_text
from ift_lib.history import History
from ift_lib.plots import lowest_loss, overfitting_in, plot_losses

_HERE = Path(__file__).parent


def write_report(folder: str | Path) -> Path:
    """Write `report.html` into a finished run's folder, atomically, and return its path.

    The same files give the same bytes. Raises InputError that names every file missing or broken.
    """
    folder = Path(folder)
    page = _page(load_run(folder))
    write_text(folder / "report.html", page)
    return folder / "report.html"


def _page(run: Run) -> str:
    """The whole page."""
    frame, css, script = ((_HERE / f"report.{kind}").read_text("utf-8") for kind in ("html", "css", "js"))
    data = re.split(r"[/\\]", str(run.config.get("data", "instructions")))[-1]  # the name of the file alone
    data = "the embedded data set" if data == "embedded" else data
    title = f"{run.config.get('model', 'a model')}, fine-tuned on {data}"
    return Template(frame).substitute(
        title=attribute(title, 200),
        heading=inline(title),
        summary="".join(f"<p>{text}</p>" for text in (_learned(run.history), _answered(run.answers))),
        figures=_figures(run),
        learning=_learning(run.history),
        scores=scores_section(run.answers),
        answers=_answers(run.answers),
        data=_data(run),
        settings=_settings(run),
        css=css,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        version=_version(),
    )


# --- the first lines ---


def _learned(history: History) -> str:
    """What the loss says."""
    first, best = history.validation[0], lowest_loss(history)
    if best is None:
        return "The run failed: validation loss is not a number."
    if len(history.validation) == 1:
        return f"Validation loss was measured only once ({first.loss:.2f}); whether it fell is not known."
    if best.step == first.step:
        return f"The model did not learn: validation loss never fell below its start, {first.loss:.2f}."
    end = ", then rose again while training loss kept falling." if overfitting_in(history) else "."
    fall = f"validation loss fell from {first.loss:.2f} to {best.loss:.2f} at epoch {best.epoch:.3g}"
    return f"The model learned: {fall}{end}"


def _answered(answers: Sequence[Answer]) -> str:
    """What the test answers say: the share a rule finds right, or else how near the references."""
    right, checked = right_by_rule(answers)
    if not checked:
        return "No rule can check these answers. " + _compared(answers)
    low, high = wilson_interval(right, checked)
    share = f"{percent(right / checked)}, 95% interval {percent(low)} to {percent(high)}"
    noun = "answer is" if checked == 1 else "answers are"
    text = f"{right:,} of {checked:,} verifiable test {noun} right ({share})"
    before = [a.verified_before for a in answers if a.verified_before is not None]
    return f"{text}; before fine-tuning, {percent(fmean(before))}." if before else f"{text}. {_compared(answers)}"


def _compared(answers: Sequence[Answer]) -> str:
    """The answers' token F1, beside that before fine-tuning where it is known."""
    scores, before = [a.token_f1 for a in answers], f1_before(answers)
    low, high = bootstrap_interval(scores, seed=0)
    text = f"Answers and references share words with a token F1 of {fmean(scores):.2f}"
    if len(scores) > 1:
        text += f" (95% interval {low:.2f} to {high:.2f})"
    return text + (f"; before fine-tuning, {before:.2f}." if before is not None else ".")


def _figures(run: Run) -> str:
    """The numbers to take in at a glance."""
    first, best, last = run.history.validation[0], lowest_loss(run.history), run.history.validation[-1]
    right, checked = right_by_rule(run.answers)
    tiles = []
    if best is not None:
        tiles.append(("Validation loss", f"{best.loss:.2f}", f"{first.loss:.2f} before fine-tuning"))
    if checked:
        tiles.append(("Right answers", percent(right / checked), f"{right:,} of {checked:,} verifiable ones"))
    else:
        f1 = fmean(a.token_f1 for a in run.answers)
        tiles.append(("Token F1", f"{f1:.2f}", f"over {len(run.answers):,} answers"))
    if "train" in (seconds := run.machine.get("seconds", {})):
        work = f"{last.step:,} steps, {last.tokens:,} tokens"
        tiles.append(("Training time", duration(seconds["train"]), work))
    if isinstance(parameters := run.machine.get("parameters"), int):
        tiles.append(("Model size", f"{parameters / 1e6:,.1f} M", "parameters"))
    items = (f"<div><dt>{name}</dt><dd>{number}</dd><dd>{more}</dd></div>" for name, number, more in tiles)
    return f'<dl class="figures">{"".join(items)}</dl>'


# --- how it learned ---


def _learning(history: History) -> str:
    """The loss curves, in a picture, in words and as numbers."""
    means = {p.step: p.loss for p in history.train_between()}
    rows = [
        (f"{p.epoch:.3g}", f"{p.step:,}", f"{p.tokens:,}", number(means.get(p.step), 3), number(p.loss, 3))
        for p in history.validation
    ]
    losses = table(
        "Losses at each evaluation. Training: the mean since the evaluation before.",
        ("Epoch", "Step", "Tokens", "Training loss", "Validation loss"),
        rows,
    )
    return (
        _READING
        + figure("losses", plot_losses(history), plot_losses(history, narrow=True), _reading(history))
        + f"<details><summary>The curves as numbers</summary>{losses}</details>"
    )


_READING = """<p>Loss is the surprise, in nats, at each token of a right answer: lower is better. Training
loss is measured on what the model learns from, validation loss on examples it never learns from; so only the
second shows what it can do with a new question.</p>"""


def _reading(history: History) -> str:
    """What to see in the curves."""
    if not all(math.isfinite(p.loss) for p in history.validation):
        return "Some validation losses are not numbers: the run left the rails."
    if len(history.validation) == 1:
        return "With one evaluation there is no curve to read."
    found = overfitting_in(history)
    return f"Overfitting: {found}." if found else "No overfitting was detected."


# --- what it answers ---

_VERDICTS = {"right": "✓ right", "wrong": "✗ wrong", "unchecked": "○ not checked"}
_ORDERS = {"file": "as in the file", "worst": "worst token F1 first", "best": "best token F1 first"}


def _answers(answers: Sequence[Answer]) -> str:
    """Every test example as a card, under a form that filters them."""
    numbers = {category: number for number, category in enumerate(by_category(answers))}
    cards = [_card(place, a, numbers[category_of(a)]) for place, a in enumerate(answers)]
    verdicts = [v for v in _VERDICTS if any(a.verdict == v for a in answers)]
    return (
        "<p>Each test question, the answers, and the reference. “Right” and “wrong” are what a rule says; "
        "where there is none, an answer equal to the reference is right, and any other is not checked.</p>"
        '<form id="filter" hidden>'
        + _select("category", "Category", {"": "all"} | {str(n): c for c, n in numbers.items()})
        + _select("verdict", "Verdict", {"": "all"} | {v: _VERDICTS[v] for v in verdicts})
        + _select("order", "Order", _ORDERS)
        + '<label>Containing<input type="search" name="search"></label><button type="reset">Show all</button>'
        '<output id="count" role="status"></output></form>'
        f'<ol id="answer-list">{"".join(cards)}</ol>'
    )


def _select(name: str, label: str, options: dict[str, str]) -> str:
    """A choice of one of `options`: what it sends -> what it says."""
    entries = "".join(f'<option value="{value}">{attribute(text, 60)}</option>' for value, text in options.items())
    return f'<label>{label}<select name="{name}">{entries}</select></label>'


def _card(place: int, answer: Answer, category: int) -> str:
    """One test example: the question, then the answers beside the reference."""
    facts = [
        f'<span class="verdict {answer.verdict}">{_VERDICTS[answer.verdict]}</span>',
        f"<span>entry {answer.index:,}</span>",
        f"<span>{inline(answer.category)}</span>" if answer.category else "",
        f"<span>token F1 {answer.token_f1:.2f}</span>",
        "" if answer.ended else "<span>cut at the length limit</span>",
    ]
    texts = [("after", "After fine-tuning", answer.response), ("reference", "Reference", answer.output)]
    if answer.before is not None:
        texts.insert(0, ("before", "Before fine-tuning (its first 40 tokens)", answer.before))
    pairs = (f'<div class="{kind}"><dt>{name}</dt><dd>{block(text)}</dd></div>' for kind, name, text in texts)
    question = block(answer.instruction) + (block(answer.input) if answer.input else "")
    return (
        f'<li class="answer" data-category="{category}" data-verdict="{answer.verdict}" '
        f'data-f1="{answer.token_f1:.4f}" data-place="{place}">'
        f"<h3>{''.join(facts)}</h3>"
        f'<div class="question">{question}</div><dl class="texts">{"".join(pairs)}</dl></li>\n'
    )


# --- the data, the settings ---

MOST_PROBLEMS = 200


def _data(run: Run) -> str:
    """The split, and what was wrong with the data file."""
    train, validation, test = (len(run.split[part]) for part in ("train", "validation", "test"))
    text = (
        f"<p>The model learned from {train:,} examples. {validation:,} others measured its validation loss, "
        f"and {test:,} were kept aside for the test answers on this page.</p>"
    )
    if len(run.answers) != test:
        text += f"<p>Of these test examples, {len(run.answers):,} were answered.</p>"
    if not run.problems:
        return text + "<p>No problem was found in the data file.</p>"
    items = "".join(f"<li>{inline(problem)}</li>" for problem in run.problems[:MOST_PROBLEMS])
    if (more := len(run.problems) - MOST_PROBLEMS) > 0:
        items += f"<li>… and {more:,} more, in problems.json</li>"
    noun = "problem was" if len(run.problems) == 1 else "problems were"
    return (
        f"{text}<h3>Problems</h3><p>{len(run.problems):,} {noun} found in the data file.</p>"
        f'<ul class="problems" tabindex="0" aria-label="Problems of the data file">{items}</ul>'
    )


def _settings(run: Run) -> str:
    """What was asked for, and the machine that did it."""
    asked = [(_label(name), inline(_value(value))) for name, value in _flat(run.config)]
    machine = []
    for name, value in run.machine.items():
        if name == "seconds":
            machine += [(inline(f"time: {what}"), duration(seconds)) for what, seconds in value.items()]
        elif name in _UNITS and isinstance(value, int | float):
            machine.append((_label(name.removesuffix("_gb")), _UNITS[name].format(value)))
        else:
            machine.append((_label(name), inline(_value(value))))
    machine.append(("ift-lib", _version()))
    return table("What was asked for.", ("Setting", "Value"), asked, kind="settings") + table(
        "The machine and the versions.", ("What", "Value"), machine, kind="settings"
    )


_UNITS = {"peak_memory_gb": "{:.2f} GB", "tokens_per_second": "{:,.0f}", "parameters": "{:,}"}


def _label(name: str) -> str:
    return inline(name.replace("_", " "))


def _flat(settings: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each setting by its own name, those within others too."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value)
        else:
            yield name, value


def _value(value: Any) -> str:
    """A setting as a person writes it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _version() -> str:
    """Ours; a checkout on the path without an installation has none."""
    try:
        return importlib.metadata.version("ift-lib")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
