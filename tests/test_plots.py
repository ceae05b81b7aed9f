"""Pictures draw the numbers they are given, say them in words, and give the same bytes every time."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from ift_lib.encoding import Encoded
from ift_lib.history import History, Point
from ift_lib.plots import Score, plot_lengths, plot_losses, plot_scores


def make_history(steps: int = 40, every: int = 10, turn: int = 20, graded: int = 100) -> History:
    """Training loss falls all the way, validation loss until `turn`; 20 steps an epoch, 50 tokens a step."""

    def at(step: int, loss: float) -> Point:
        return Point(step, step / 20, 50 * step, loss, graded)

    train = [at(step, 4 - 3 * step / steps) for step in range(1, steps + 1)]
    validation = [at(step, 2 + abs(step - turn) / steps) for step in range(0, steps + 1, every)]
    return History(train, validation)


def test_losses_are_drawn_where_they_were_measured() -> None:
    """Prevents a curve of other numbers than the history's, or at other steps."""
    history = make_history()
    series = plot_losses(history).series
    assert series["batch"] == [(p.step, p.loss) for p in history.train]
    assert series["validation"] == [(p.step, p.loss) for p in history.validation]
    # A mean over steps 1 to 10 belongs at their middle, not at the evaluation after them.
    assert [loss for _, loss in series["train"]] == [p.loss for p in history.train_between()]
    assert [step for step, _ in series["train"]] == [5, 15, 25, 35]


def test_the_series_are_what_the_figure_holds() -> None:
    """Prevents series that are computed beside the picture and drift away from it."""
    picture = plot_losses(make_history())
    lines = {line.get_label(): line.get_xydata() for line in picture.figure.axes[0].get_lines()}
    names = {"training, each batch": "batch", "training, mean": "train", "validation": "validation"}
    for label, name in names.items():
        assert [tuple(xy) for xy in lines[label]] == picture.series[name]


def test_the_lowest_point_and_the_turn_are_marked() -> None:
    """Prevents a star on the last point, and a turn marked in a run that did not overfit."""
    picture = plot_losses(make_history())
    assert picture.series["best"] == picture.series["turn"] == [(20, 2.0)]
    assert "lowest at epoch 1 (2.000)" in picture.alt and "Overfitting" in picture.alt
    healthy = plot_losses(make_history(turn=40))
    assert healthy.series["best"] == [(40, 2.0)]
    assert "turn" not in healthy.series and "Overfitting" not in healthy.alt


def test_epochs_steps_and_tokens_line_up() -> None:
    """Prevents a token ruler that is stretched over the axis as if every step read as many tokens."""
    points = [Point(s, s / 20, t, 1.0, 1) for s, t in ((0, 0), (10, 1000), (40, 1600))]
    series = plot_losses(History(points[1:], points)).series
    assert series["epochs"] == [(0, 0), (20, 1), (40, 2)]
    tokens = {tokens: step for step, tokens in series["tokens"]}
    assert tokens[1000] == 10
    assert tokens[500] == 5
    assert all(step == value for step, value in series["steps"])


def test_many_steps_are_thinned_by_graded_tokens() -> None:
    """Prevents a report of 20 MB, and a mean of means in the thinned curve."""
    train = [Point(s, s, s, 1.0 if s % 2 else 4.0, 300 if s % 2 else 100) for s in range(1, 2001)]
    series = plot_losses(History(train, [Point(0, 0, 0, 3.0, 1), Point(2000, 2000, 2000, 2.0, 1)])).series
    assert len(series["batch"]) == 1000
    assert series["batch"][0] == (1.5, pytest.approx((300 * 1 + 100 * 4) / 400))


def test_histories_at_the_edge() -> None:
    """Prevents a crash at the end of a run of one evaluation, of no step, or that left the numbers."""
    assert "measured once: 3.200" in plot_losses(History([], [Point(0, 0, 0, 3.2, 9)])).alt
    nan = History([Point(1, 1, 5, math.nan, 3)], [Point(0, 0, 0, 3.2, 9), Point(1, 1, 5, math.nan, 9)])
    assert plot_losses(nan).series["best"] == [(0, 3.2)]
    assert "turn" not in plot_losses(nan).series
    assert "best" not in plot_losses(History([], [Point(0, 0, 0, math.nan, 9)])).series
    with pytest.raises(ValueError, match="no validation loss"):
        plot_losses(History())


def test_lengths_count_every_example_once() -> None:
    """Prevents the longest example from falling off the last bar, and the prompt from counting as graded."""
    encoded = [Encoded(tuple(range(n)), n - 3) for n in (5, 5, 8, 100)]
    picture = plot_lengths(encoded, context=90)
    assert sum(count for _, _, count in picture.series["whole"]) == len(encoded)
    assert [(low, high) for low, high, count in picture.series["response"] if count] == [(3, 6)]
    assert "longest 100" in picture.alt and "1 are longer than the context length 90" in picture.alt
    assert plot_lengths([Encoded((1,), 0)]).series["whole"][1] == (1, 2, 1)
    with pytest.raises(ValueError, match="no examples"):
        plot_lengths([])


def test_scores_are_ranked_and_said() -> None:
    """Prevents bars beside the wrong name, and a category that a screen reader does not hear."""
    scores = {"plural": Score(0.5, 0.3, 0.7, 12), "rhyme": Score(0.9, 0.8, 0.95, 40)}
    picture = plot_scores(scores)
    assert picture.series["scores"] == [("rhyme", 0.9, 0.8, 0.95, 40), ("plural", 0.5, 0.3, 0.7, 12)]
    labels = [label.get_text() for label in picture.figure.axes[0].get_yticklabels()]
    assert labels == ["rhyme (40)", "plural (12)"]
    assert "rhyme 90% (80% to 95%, 40 answers)" in picture.alt
    with pytest.raises(ValueError, match="no scores"):
        plot_scores({})


@pytest.mark.parametrize("name", ["$\\frac{", "a\nb\u202e\x00\ud800", "日本語", "<b>&", "x" * 500, ""])
def test_any_category_can_be_drawn(name: str) -> None:
    """Prevents a formula, a control character or a script our font lacks from ending a run in a traceback."""
    svg = plot_scores({name: Score(0.5, 0.2, 0.8, 3)}).svg()
    svg.encode("utf-8")
    assert "\x00" not in svg and "\u202e" not in svg and "<b>" not in svg


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_numbers_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    """Prevents dates, random ids and a layout that moves from making two equal runs differ."""
    plot_losses(make_history(), tmp_path / f"first.{suffix}")
    first = (tmp_path / f"first.{suffix}").read_bytes()
    picture = plot_losses(make_history())
    for name in ("a.png", "b.svg", "c.png", "d.svg"):  # each drawing lays the figure out again, unless that is settled
        picture.save(tmp_path / name)
        assert not name.endswith(suffix) or (tmp_path / name).read_bytes() == first
    assert b"matplotlib.org" not in first and b"<dc:date>" not in first


def test_a_picture_is_saved_as_what_its_name_says(tmp_path: Path) -> None:
    """Prevents a PNG named .svg, and half a file after a wrong name."""
    picture = plot_losses(make_history(), tmp_path / "deep" / "losses.PNG")
    assert (tmp_path / "deep" / "losses.PNG").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="not as 'gif'"):
        picture.save(tmp_path / "losses.gif")
    assert not (tmp_path / "losses.gif").exists()


def test_a_notebook_shows_the_picture_and_its_text() -> None:
    """Prevents a notebook cell that shows the memory address of a figure."""
    picture = plot_losses(make_history())
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert repr(picture) == f"Picture: {picture.alt}"
    assert isinstance(picture.figure, Figure)


def test_no_pyplot() -> None:
    """Prevents a window, a changed global style, or a figure kept in memory for every call."""
    code = "import sys, ift_lib.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1]).returncode == 0
