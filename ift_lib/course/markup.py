"""The pieces a page is made of: numbers as people write them, tables, pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ift_lib.course.show import attribute
from ift_lib.picture import BLUE, GRID, INK, PAPER, QUIET, VERMILLION, Picture


def percent(share: float) -> str:
    """Whole percents; a decimal where rounding would claim all or nothing."""
    return f"{share:.1%}" if 0 < share < 0.005 or 0.995 <= share < 1 else f"{share:.0%}"


def number(value: float | None, digits: int) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def duration(seconds: float) -> str:
    """Seconds as hours, minutes and seconds.

    >>> [duration(s) for s in (0.4, 59.6, 250, 7325)]
    ['0.4 s', '1 min 0 s', '4 min 10 s', '2 h 2 min']
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return f"{minutes // 60} h {minutes % 60} min"


def table(
    caption: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    total: bool = False,
    kind: str = "scores",
) -> str:
    """Rows of HTML cells, the first of each its header; on a phone it scrolls in its own box."""
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = ""
    for place, (first, *others) in enumerate(rows, 1):
        look = ' class="total"' if total and place == len(rows) else ""
        cells = "".join(f"<td>{cell}</td>" for cell in others)
        body += f'<tr{look}><th scope="row">{first}</th>{cells}</tr>\n'
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}"><table class="{kind}">'
        f"<caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>"
    )


def figure(name: str, broad: Picture, narrow: Picture, note: str) -> str:
    """A picture in two shapes, of which the page shows one, and a line under it."""
    drawings = _drawing(broad, f"{name}-broad", "broad") + _drawing(narrow, f"{name}-narrow", "narrow")
    return f"<figure>{drawings}<figcaption>{note}</figcaption></figure>"


# Our colours as the page's, which are others in the dark.
_COLOURS = {INK: "var(--ink)", QUIET: "var(--quiet)", GRID: "var(--line)", PAPER: "var(--card)"}
_COLOURS |= {BLUE: "var(--blue)", VERMILLION: "var(--vermillion)"}


def _drawing(picture: Picture, name: str, kind: str) -> str:
    """A picture's SVG for a page with others on it: ids of its own, the page's colours, its alt text."""
    svg = picture.svg()
    body = re.sub("(?s)<metadata>.*?</metadata>|<style.*?</style>", "", svg[svg.index("<svg") :])
    body = re.sub(r' xmlns(:xlink)?="[^"]*"| (width|height)="[^"]*pt"', "", body)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body)
    for ours, pages in _COLOURS.items():
        body = body.replace(ours, pages)
    return body.replace("<svg", f'<svg class="{kind}" role="img" aria-label="{attribute(picture.alt)}"', 1)
