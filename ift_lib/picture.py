"""A picture is a figure, the numbers it draws, and a text that says as much.

No pyplot: a picture is a value, nothing is shared between two of them, and the same numbers give the same bytes.
Colours are those of Okabe and Ito, which the colour-blind can tell apart, and never the only sign: lines differ in
dash and marker too.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ift_lib.files import replacing

INK, QUIET, GRID, PAPER = "#222222", "#666666", "#dddddd", "#ffffff"
BLUE, VERMILLION = "#0072b2", "#d55e00"
"""Okabe and Ito, "Color Universal Design" (2008)."""

_STYLE: Any = {
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "ift_lib",  # the same ids every time
}


@dataclass(frozen=True, repr=False)
class Picture:
    """A figure, the numbers it draws, and the text for who cannot see it. A notebook shows it by itself."""

    figure: Figure
    """Ready to draw; its layout is settled."""
    series: dict[str, list[tuple[Any, ...]]]
    """The points of each line or group of bars, exactly as drawn."""
    alt: str
    """What the picture shows, in words and numbers."""

    def svg(self) -> str:
        """The picture as SVG, with text as text."""
        return self._draw("svg").decode("utf-8")

    def save(self, path: str | Path) -> None:
        """Write PNG or SVG, by the suffix of `path`, atomically."""
        image = self._draw(Path(path).suffix.lstrip(".").lower())
        with replacing(path) as temporary:
            temporary.write_bytes(image)

    def _draw(self, kind: str) -> bytes:
        """The same bytes for the same numbers: no date, no version, ids from a fixed salt."""
        if kind not in ("svg", "png"):
            raise ValueError(f"a picture can be saved as .svg or .png, not as {kind!r}")
        file = io.BytesIO()
        silent = ("Creator", "Date", "Format", "Type") if kind == "svg" else ("Software",)
        with drawing():
            self.figure.savefig(file, format=kind, dpi=160, metadata=dict.fromkeys(silent))
        return file.getvalue()

    def _repr_png_(self) -> bytes:
        return self._draw("png")

    def __repr__(self) -> str:
        return f"Picture: {self.alt}"


@contextmanager
def drawing() -> Iterator[None]:
    """Our style within this block. Letters our font lacks come from the reader's (SVG) or are boxes (PNG)."""
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def new_figure(size: tuple[float, float]) -> tuple[Figure, Axes]:
    """An empty figure in our style that belongs to no window and no pyplot."""
    with drawing():
        figure = Figure(figsize=size, layout="constrained")
        return figure, figure.subplots()


def finish(picture: Picture, path: str | Path | None) -> Picture:
    """Settle the layout once (it would move a little at every drawing), and save if asked to."""
    with drawing():
        picture.figure.draw_without_rendering()
    picture.figure.set_layout_engine("none")
    if path is not None:
        picture.save(path)
    return picture
