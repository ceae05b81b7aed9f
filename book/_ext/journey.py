"""The picture of the front page: what happens to an example, in eight stations, as SVG in the page's own colours."""

from __future__ import annotations

from html import escape

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

WIDE, HIGH, GAP = 160, 150, 30
"""A station, and the room for an arrow between two, in units of the picture."""


def box(x: float, y: float, wide: float, high: float, kind: str) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}" rx="2" class="{kind}"/>'


def line(x: float, y: float, length: float, kind: str = "ink") -> str:
    return f'<path d="M{x:g} {y:g}h{length:g}" class="{kind} stroke"/>'


def entry() -> str:
    """An entry of the file: three fields between braces."""
    braces = '<text x="34" y="58" class="sign">{</text><text x="112" y="58" class="sign">}</text>'
    fields = [line(58, y, 10, "quiet") + line(73, y, length) for y, length in ((30, 28), (45, 18), (60, 32))]
    return braces + "".join(fields)


def text() -> str:
    """A page: the frame in grey, the answer in blue."""
    lines = [(22, 50, "quiet"), (32, 44, "quiet"), (44, 34, "ink"), (56, 40, "quiet"), (68, 30, "blue")]
    return box(46, 10, 68, 72, "paper") + "".join(line(54, y, length, kind) for y, length, kind in lines)


def tokens() -> str:
    """A row of tokens: read only, and graded (blue, with a dot)."""
    widths = [20, 12, 26, 14, 18, 16, 12]
    x, drawn = 14.0, ""
    for place, wide in enumerate(widths):
        graded = place >= 4
        drawn += box(x, 34, wide, 24, "filled blue" if graded else "filled quiet")
        drawn += f'<circle cx="{x + wide / 2:g}" cy="46" r="2.5" class="dot"/>' if graded else ""
        x += wide + 3
    return drawn


def batch() -> str:
    """Rows of unequal length: the prompt grey, the response blue with a dot, the padding an empty frame."""
    drawn = ""
    for row, (prompt, response) in enumerate(((3, 2), (2, 4), (4, 3), (2, 2))):
        for column in range(7):
            kind = "quiet" if column < prompt else "blue" if column < prompt + response else "empty"
            x, y = 25 + 16 * column, 14 + 17 * row
            drawn += box(x, y, 13, 14, "paper" if kind == "empty" else f"filled {kind}")
            drawn += f'<circle cx="{x + 6.5}" cy="{y + 7}" r="2" class="dot"/>' if kind == "blue" else ""
    return drawn


def model() -> str:
    """A stack of blocks, with the stream that runs through them."""
    blocks = "".join(box(45, 12 + 18 * place, 70, 12, "filled ochre") for place in range(4))
    return blocks + '<path d="M80 88V4m-5 6 5-6 5 6" class="ink stroke"/>'


def curves() -> str:
    """Training loss, dashed, and validation loss with its lowest point."""
    return (
        '<path d="M28 12V80H136" class="ink stroke"/>'
        '<path d="M34 18C48 60 84 68 130 74" class="blue stroke dashed"/>'
        '<path d="M34 16C52 54 76 58 90 52 104 46 116 38 130 34" class="vermillion stroke"/>'
        '<circle cx="79" cy="54.5" r="5" class="filled vermillion"/>'
    )


def answers() -> str:
    """Two bubbles: a question, and an answer that ends."""
    bubble = "M{0} {1}h70v24h-56l-8 9v-9h-6z"
    return (
        f'<path d="{bubble.format(28, 10)}" class="paper"/>{line(38, 22, 46, "quiet")}'
        f'<path d="{bubble.format(60, 50)}" class="filled blue"/><path d="M70 62h40" class="light stroke"/>'
        '<circle cx="118" cy="62" r="2.5" class="dot"/>'
    )


def scores() -> str:
    """Bars with their intervals, and the line of chance."""
    drawn = '<path d="M28 80H136M28 66H136" class="ink stroke thin"/>'
    for x, high in ((40, 18), (72, 44), (104, 34)):
        drawn += box(x, 80 - high, 20, high, "filled blue")
        drawn += f'<path d="M{x + 10} {72 - high}v16m-5 0h10m-10-16h10" class="ink stroke"/>'
    return drawn


STATIONS = (entry, text, tokens, batch, model, curves, answers, scores)


def drawing(captions: list[str], columns: int, alt: str, kind: str) -> str:
    """All stations in rows of `columns`, with an arrow from each to the next."""
    rows = -(-len(captions) // columns)
    width, height = columns * (WIDE + GAP) - GAP, rows * (HIGH + GAP) - GAP
    drawn = ""
    for place, (draw, caption) in enumerate(zip(STATIONS, captions, strict=True)):
        row, column = divmod(place, columns)
        x, y = column * (WIDE + GAP), row * (HIGH + GAP)
        title, _, told = (escape(part.strip()) for part in caption.partition("|"))
        drawn += (
            f'<g transform="translate({x} {y})"><rect width="{WIDE}" height="{HIGH}" rx="10" class="card"/>{draw()}'
        )
        drawn += f'<text x="80" y="112" class="title">{place + 1} {title}</text>'
        drawn += f'<text x="80" y="133" class="told">{told}</text></g>'
        if place + 1 < len(captions):
            last = column + 1 == columns
            middle = (x + WIDE / 2, y + HIGH + 4) if columns == 1 else (x + WIDE + 5, y + HIGH / 2)
            if not last:
                drawn += f'<path d="M{middle[0]:g} {middle[1]:g}h18m-6-6 6 6-6 6" class="ink stroke"/>'
            else:  # down, over to the left, and on
                start, between = x + WIDE / 2, y + HIGH + GAP / 2
                drawn += f'<path d="M{start:g} {y + HIGH + 2}V{between:g}H80v{GAP / 2 - 3:g}m-5-6 5 6 5-6" '
                drawn += 'class="ink stroke"/>'
    return f'<svg class="journey {kind}" viewBox="-2 -2 {width + 4} {height + 4}" role="img" aria-label="{alt}">{drawn}</svg>'


class Journey(SphinxDirective):
    """The picture, broad for a screen and narrow for a phone. The body: a line "title | note" for each station."""

    has_content = True
    option_spec = {"alt": directives.unchanged_required}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        captions, alt = list(self.content), escape(self.options["alt"])
        drawn = drawing(captions, 4, alt, "broad") + drawing(captions, 2, alt, "narrow")
        return [nodes.raw("", drawn, format="html")]
