"""Pictures of a run: losses, lengths, scores, each with the numbers drawn and a text that says as much."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, Formatter, FuncFormatter, MaxNLocator, PercentFormatter

from ift_lib.encoding import Encoded
from ift_lib.history import History, Point
from ift_lib.picture import BLUE, GRID, INK, PAPER, QUIET, VERMILLION, Picture, drawing, finish, new_figure
from ift_lib.stopping import Overfitting, detect_overfitting

_WIDE, _NARROW = (7.2, 4.3), (4.0, 4.6)  # inches: a page, and a phone


# --- losses ---


def plot_losses(history: History, path: str | Path | None = None, *, narrow: bool = False) -> Picture:
    """Training and validation loss, over three rulers: epochs, optimizer steps, tokens read.

        loss | ·.·.                        faint       each step's batch
             |  `-o-.  .□                  dashed, o   training, mean between two evaluations
             |     `-★--o                  solid, □    validation; ★ the lowest
             +------------                 hatched     overfitting, if `detect_overfitting` finds it
             0     1     2  epochs
             0    50   100  steps
             0   20k   40k  tokens

    Series: "batch", "train" and "validation" as (step, loss), the training means at the middle step of what
    they are means over; "best" and "turn", where there is one, with one such point; "epochs", "steps" and
    "tokens" as (step, value) for each mark. Beyond 1,000 steps "batch" holds means of neighbouring steps.
    `narrow` draws for a phone. Raises ValueError when no validation loss was measured.
    """
    if not history.validation:
        raise ValueError("the history holds no validation loss; `train` measures one before its first step")
    series: dict[str, list[tuple[Any, ...]]] = {
        "batch": _thin(history.train),
        "train": _means(history),
        "validation": [(p.step, p.loss) for p in history.validation],
    }
    best, overfitting = lowest_loss(history), overfitting_in(history)
    figure, axes = new_figure(_NARROW if narrow else _WIDE)
    with drawing():
        looks: dict[str, dict[str, Any]] = {
            "batch": {"label": "training, each batch", "color": VERMILLION, "alpha": 0.3, "linewidth": 0.8},
            "train": {"label": "training, mean", "color": VERMILLION, "linestyle": "--", "marker": "o"},
            "validation": {"label": "validation", "color": BLUE, "marker": "s", "markerfacecolor": PAPER},
        }
        for name, look in looks.items():
            if series[name]:
                axes.plot(*_columns(series[name]), **{"linewidth": 1.8, "markersize": 5} | look)
        if best is not None:
            series["best"] = [(best.step, best.loss)]
            label = f"lowest: {best.loss:.3f} at epoch {best.epoch:.3g}"
            axes.plot(best.step, best.loss, "*", color=INK, markersize=13, markeredgecolor=PAPER, label=label)
        if overfitting is not None:
            series["turn"] = [(overfitting.turn.step, overfitting.turn.loss)]
            _mark_overfitting(axes, overfitting, history.validation[-1].step)
        series |= _add_rulers(axes, history)
        axes.set_ylabel("loss (nats per graded token)")
        if narrow:  # no room inside
            axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(-0.03, 1), fontsize=9)
        else:
            axes.legend(facecolor=PAPER, edgecolor="none", framealpha=1, loc="upper right", fontsize=9)
    return finish(Picture(figure, series, _losses_alt(history, best, overfitting)), path)


def lowest_loss(history: History) -> Point | None:
    """The lowest validation point that is a number; None if none is."""
    return min((p for p in history.validation if math.isfinite(p.loss)), key=lambda p: p.loss, default=None)


def overfitting_in(history: History) -> Overfitting | None:
    """What `detect_overfitting` finds; nothing in a run that left the numbers."""
    return detect_overfitting(history) if all(math.isfinite(p.loss) for p in history.validation) else None


def _means(history: History) -> list[tuple[Any, ...]]:
    """(step, loss) of the training loss between two evaluations, at the step half-way between them."""
    pairs = zip(history.validation, history.train_between(), strict=False)
    return [((before.step + p.step) / 2, p.loss) for before, p in pairs]


def _thin(points: Sequence[Point], most: int = 1000) -> list[tuple[Any, ...]]:
    """(step, loss) of every point, or if too many, of neighbours averaged over their graded tokens."""
    if len(points) <= most:
        return [(p.step, p.loss) for p in points]
    run = math.ceil(len(points) / most)
    thinned = []
    for some in (points[i : i + run] for i in range(0, len(points), run)):
        graded = sum(p.graded for p in some)
        loss = sum(p.loss * p.graded for p in some) / graded
        thinned.append((sum(p.step for p in some) / len(some), loss))
    return thinned


def _mark_overfitting(axes: Axes, found: Overfitting, last_step: int) -> None:
    """A line at the turn, and hatching from there on."""
    axes.axvline(found.turn.step, color=QUIET, linestyle=":", linewidth=1.2)
    label = f"overfitting: validation +{found.rise:.3f}"
    axes.axvspan(found.turn.step, last_step, facecolor="none", edgecolor=GRID, hatch="///", linewidth=0, label=label)


def _add_rulers(axes: Axes, history: History) -> dict[str, list[tuple[Any, ...]]]:
    """Three scales under one another for the same x: epochs (with the grid), steps, tokens."""
    points = sorted([*history.train, *history.validation], key=lambda p: p.step)
    steps, last = [p.step for p in points], points[-1]
    margin = 0.02 * max(last.step, 1)
    axes.set_xlim(-margin, last.step + margin)
    whole = FuncFormatter(lambda value, _: f"{value:,g}")
    return {
        "epochs": _add_ruler(axes, 0, "epochs", steps, [p.epoch for p in points], whole, last.epoch >= 2),
        "steps": _add_ruler(axes, 1, "steps", steps, [p.step for p in points], whole),
        "tokens": _add_ruler(axes, 2, "tokens", steps, [p.tokens for p in points], EngFormatter(sep="")),
    }


def _add_ruler(
    axes: Axes,
    row: int,
    name: str,
    steps: Sequence[int],
    values: Sequence[float],
    number: Formatter,
    integer: bool = True,
) -> list[tuple[Any, ...]]:
    """One scale, `row` places below the plot: round values, each at the step where it was reached."""
    marks = MaxNLocator(6, integer=integer, steps=[1, 2, 2.5, 5, 10]).tick_values(0, max(values[-1], 1e-9))
    marks = [float(mark) for mark in marks if mark <= values[-1]]
    places = [float(step) for step in np.interp(marks, values, steps)]
    ruler = axes
    if row:
        ruler = axes.twiny()
        ruler.set_xlim(axes.get_xlim())
        ruler.xaxis.set_ticks_position("bottom")
        ruler.spines["bottom"].set_position(("outward", 26 * row))
        ruler.grid(False)
    ruler.set_xticks(places, [number(mark) for mark in marks])
    ruler.tick_params(axis="x", length=3, pad=2)
    # The name stands before the first mark, as on a real ruler.
    below: Any = {"xytext": (-8, -9 - 26 * row), "textcoords": "offset points", "ha": "right", "va": "center"}
    ruler.annotate(name, (0, 0), xycoords="axes fraction", fontsize=9, **below)
    return list(zip(places, marks, strict=True))


def _losses_alt(history: History, best: Point | None, overfitting: Overfitting | None) -> str:
    """The loss curves in words."""
    first, last = history.validation[0], history.validation[-1]
    text = f"Loss curves over {last.epoch:.3g} epochs, {last.step:,} steps and {last.tokens:,} tokens. "
    if len(history.validation) == 1:
        text += f"Validation loss was measured once: {first.loss:.3f} at step {first.step:,}."
    elif best is None:
        text += "No validation loss is a number."
    else:
        text += (
            f"Validation loss starts at {first.loss:.3f}, is lowest at epoch {best.epoch:.3g} "
            f"({best.loss:.3f}), and ends at {last.loss:.3f}."
        )
    if train := history.train_between():
        text += f" Training loss goes from {train[0].loss:.3f} to {train[-1].loss:.3f}."
    return text + (f" Overfitting: {overfitting}." if overfitting else "")


# --- lengths ---


def plot_lengths(encoded: Sequence[Encoded], path: str | Path | None = None, *, context: int | None = None) -> Picture:
    """How many tokens the examples have: the whole of each, and its graded part, the response and its end.

    `context` marks a length limit, such as 1,024 for GPT-2, where it is not far off. Series: "whole" and
    "response" as (first length of the bar, first after it, examples). Raises ValueError for no example.
    """
    if not encoded:
        raise ValueError("no examples: there are no lengths to show")
    whole, response = [len(e) for e in encoded], [len(e) - e.prompt_length for e in encoded]
    longest = max(whole)
    width = math.ceil((longest + 1) / 40)
    edges = np.arange(0, longest + width + 1, width)
    series: dict[str, list[tuple[Any, ...]]] = {}
    figure, axes = new_figure((7.2, 3.6))
    with drawing():
        looks: tuple[tuple[str, list[int], dict[str, Any]], ...] = (
            ("whole", whole, {"label": "prompt, response, end", "edgecolor": BLUE}),
            (
                "response",
                response,
                {"label": "response, end: graded", "edgecolor": VERMILLION, "hatch": "////"},
            ),
        )
        for name, lengths, look in looks:
            counts = np.histogram(lengths, edges)[0]
            series[name] = list(zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True))
            line = "--" if "hatch" in look else "-"
            axes.stairs(counts, edges, fill=True, facecolor="none", linewidth=1.6, linestyle=line, **look)
        if context is not None and context <= 1.5 * longest:
            axes.axvline(context, color=INK, linestyle=":", label=f"context length {context:,}")
        axes.set_xlim(0, None)
        axes.set_xlabel("tokens")
        axes.set_ylabel(f"examples per {width} tokens" if width > 1 else "examples")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        axes.legend(facecolor=PAPER, edgecolor="none", framealpha=1, fontsize=9)
    return finish(Picture(figure, series, _lengths_alt(whole, response, context)), path)


def _lengths_alt(whole: list[int], response: list[int], context: int | None) -> str:
    """The lengths in words."""
    text = f"Lengths of {len(whole):,} examples in tokens."
    for name, lengths in (("Prompt, response and end", whole), ("Response and end", response)):
        text += f" {name}: median {np.median(lengths):g}, longest {max(lengths):,}."
    if context is not None:
        text += f" {sum(n > context for n in whole):,} are longer than the context length {context:,}."
    return text


# --- scores ---


@dataclass(frozen=True)
class Score:
    """A share or mean from 0 to 1, the interval it is known to, and the number of answers behind it."""

    value: float
    low: float
    high: float
    n: int


FEW = 20
"""With fewer answers than this, an interval is so wide that categories can hardly be told apart."""


def plot_scores(
    scores: Mapping[str, Score],
    path: str | Path | None = None,
    *,
    name: str = "right answers",
    narrow: bool = False,
) -> Picture:
    """A score per category with its interval, best first; hollow marks stand for fewer than 20 answers.

    Series: "scores" as (category, value, low, high, n), as drawn. Raises ValueError for no category.
    """
    if not scores:
        raise ValueError("no scores to show")
    ranked = sorted(scores.items(), key=lambda item: (-item[1].value, item[0]))
    figure, axes = new_figure(((_NARROW if narrow else _WIDE)[0], 0.9 + 0.27 * len(ranked)))
    with drawing():
        for row, (_, s) in enumerate(ranked):
            axes.plot([s.low, s.high], [row, row], "|-", color=BLUE, linewidth=1.6, markersize=7)
            axes.plot(s.value, row, "o", color=BLUE, markersize=7, markerfacecolor=BLUE if s.n >= FEW else PAPER)
        labels = [f"{_plain(category, 18 if narrow else 30)} ({s.n:,})" for category, s in ranked]
        axes.set_yticks(range(len(ranked)), labels, parse_math=False)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(ranked) - 0.5, -0.5)
        axes.set_xlim(-0.03, 1.03)
        axes.set_xticks([0, 0.5, 1] if narrow else [0, 0.25, 0.5, 0.75, 1])
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel(name if narrow else f"{name}, with 95% interval")
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
    series: dict[str, list[tuple[Any, ...]]] = {"scores": [(c, s.value, s.low, s.high, s.n) for c, s in ranked]}
    parts = [f"{_plain(c, 60)} {s.value:.0%} ({s.low:.0%} to {s.high:.0%}, {s.n:,} answers)" for c, s in ranked]
    return finish(Picture(figure, series, f"{name.capitalize()} by category: " + "; ".join(parts) + "."), path)


def _plain(category: str, longest: int) -> str:
    """A category from anyone's file as a short label: printable, one line."""
    text = "".join(c if c.isprintable() else "·" for c in category)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _columns(points: Sequence[tuple[Any, ...]]) -> tuple[list[Any], list[Any]]:
    """[(x, y), …] as xs and ys."""
    return [p[0] for p in points], [p[1] for p in points]
