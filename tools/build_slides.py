"""From the tagged cells of the chapters to slides: one HTML file a chapter, with everything in it, for any browser.

python tools/build_slides.py                      all chapters, into build/slides; the same as `make slides`
python tools/build_slides.py 03_batching          one

Which cells, say their tags in the text sources; what they print and draw comes from the built notebooks:

    slide           begins a slide: code and output, under the heading of the section
    slide-output    begins a slide that shows the output only
    slide-more      continues the slide above

The first slide is the head of the chapter, the last its recap. The prose between two slides is the speaker's notes.
Keys: arrows, space, Home, End; n shows the notes, f fills the screen. Printed from the browser, a slide is a page.
"""

from __future__ import annotations

import argparse
import html
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import build_notebooks as builder
import nbformat
from nbconvert.filters import markdown2html
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

SLIDES = builder.ROOT / "build" / "slides"
TEMPLATE = Path(__file__).with_name("slides.html")
CODE = HtmlFormatter(nowrap=True)


@dataclass
class Slide:
    """One slide: a title, and in HTML what is under it and what the speaker says."""

    title: str
    body: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    """Beside the body, if there is one."""
    notes: list[str] = field(default_factory=list)

    def html(self) -> str:
        body, pictures = (f"<div>{''.join(part)}</div>" if part else "" for part in (self.body, self.pictures))
        kind = "two" if body and pictures else "one"
        notes = f'<aside class="notes">{"".join(self.notes)}</aside>'
        content = f'<div class="content {kind}">{body}{pictures}</div>'
        return f'<section class="slide"><h2>{inline(self.title)}</h2>{content}{notes}</section>'


def slides_of(source: Path) -> list[Slide]:
    """The slides of a chapter."""
    cells = builder.assemble(source, builder.repository(), solutions=False).cells
    stored = nbformat.read(builder.target(source, False), as_version=4).cells
    outputs = {cell.id: cell.outputs for cell in stored if cell.cell_type == "code"}  # an id says what is in the cell
    title, head = cells[0].source.split("\n", 1)
    slides = [Slide(title.lstrip("# "), [text(_lead(head))])]
    heading, notes = "", []
    for cell in cells[1:]:
        tags = set(builder.tags(cell)) & builder.SLIDE
        if cell.cell_type == "markdown":
            before, found, after = _split_at_heading(cell.source)
            heading = found or heading
            if heading == "Exercises":
                break
            if not tags:
                notes += [part for part in (before, after) if part.strip()]
                continue
            notes += [before] if before.strip() else []
        if not tags:
            continue
        if "slide-more" not in tags:
            slides.append(Slide(heading))
        slides[-1].notes += [text(note) for note in notes]
        notes = []
        _fill(slides[-1], cell, outputs.get(cell.id, []), tags)
    recap = next(cell.source for cell in cells if cell.source.startswith("## Recap"))
    slides.append(Slide("Recap", [text(recap.partition("\n")[2].partition("\n## ")[0])]))
    return slides


def _lead(head: str) -> str:
    """What one will learn, and what one needs for it."""
    return "\n\n".join(re.findall(r"^\*\*You (?:will learn|need)\*\*.*?(?=\n\n|\Z)", head, re.MULTILINE | re.DOTALL))


def _split_at_heading(source: str) -> tuple[str, str, str]:
    """The text before the last heading, the heading, and the text after it."""
    found = list(re.finditer(r"^#{2,3} (.*)$", source, re.MULTILINE))
    if not found:
        return "", "", source
    return source[: found[-1].start()], found[-1][1], source[found[-1].end() :]


def _fill(slide: Slide, cell: NotebookNode, outputs: Sequence[NotebookNode], tags: set[str]) -> None:
    """Put a cell on a slide."""
    if cell.cell_type == "markdown":
        slide.body.append(text(_split_at_heading(cell.source)[2]))
        return
    if "slide-output" not in tags:
        slide.body.append(f'<pre class="code">{highlight(cell.source, PythonLexer(), CODE)}</pre>')
    alt = html.escape(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", ""), quote=True)
    for output in outputs:
        data = output.get("data", {})
        if "image/png" in data:
            slide.pictures.append(f'<img alt="{alt}" src="data:image/png;base64,{data["image/png"].strip()}">')
        elif "text/html" in data:
            slide.body.append(f'<div class="html">{data["text/html"]}</div>')
        elif "text/markdown" in data:
            slide.body.append(text(data["text/markdown"]))
        else:
            slide.body.append(
                f'<pre class="output">{html.escape(output.get("text", data.get("text/plain", "")))}</pre>'
            )


def text(markdown: str) -> str:
    """HTML of a piece of prose. Its links lead nowhere from a lecture hall, so their texts stay."""
    return str(markdown2html(re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", markdown)))


def inline(markdown: str) -> str:
    """HTML of one line, without a paragraph around it."""
    return re.sub(r"^<p>|</p>$", "", text(markdown).strip())


def deck(source: Path) -> str:
    """The HTML of a chapter's slides."""
    slides = slides_of(source)
    body = "\n".join(slide.html() for slide in slides)
    page = TEMPLATE.read_text(encoding="utf-8")
    for name, value in {"TITLE": html.escape(slides[0].title), "CODE": CODE.get_style_defs(".code")}.items():
        page = page.replace(name, value, 1)
    return page.replace("SLIDES", body)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the slides of the chapters that were named, or of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="chapters, such as 03_batching (default: all)")
    parser.add_argument("--out", type=Path, default=SLIDES, metavar="FOLDER", help="default: build/slides")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    for source in builder.sources():
        if args.names and source.stem not in args.names:
            continue
        path = args.out / f"{source.stem}.html"
        path.write_text(deck(source), encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
