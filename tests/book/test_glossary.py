"""Every term of the glossary is explained once, and linked where each chapter first uses it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "chapters").glob("[0-9][0-9]_*.py"))
LINK = re.compile(r"\[([^\]]+)\]\(\.\./book/glossary\.md#([^)]+)\)")

NOT_PROSE = re.compile(
    r"^<details>[^\n]*$|<kbd>[^<]*</kbd>|```.*?```|`[^`]*`|\$\$.*?\$\$|!?\[[^\]]*\]\([^)]*\)|<[^>]*>"
    r"|\*\*You (?:need|will learn)\*\*|^#[^\n]*$|https?://\S+",
    re.S | re.M,
)
"""Where no term is looked for: code, formulas, links, headings, hints (HTML knows no Markdown links)."""


@dataclass(frozen=True)
class Term:
    """An entry of the glossary."""

    name: str
    forms: tuple[str, ...]
    """How it looks in a text; a form in stars counts only where it is in italics."""

    @property
    def anchor(self) -> str:
        return re.sub(r"[^\w\- ]", "", self.name.lower()).replace(" ", "-")


def terms() -> list[Term]:
    page = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    found = re.findall(r"^## (.+)\n\n<!-- forms: (.+) -->\n\n(.+)$", page, re.M)
    assert len(found) == page.count("\n## "), "an entry is a heading, a line of forms, and a text"
    return [Term(name, tuple(forms.split(", "))) for name, forms, _ in found]


TERMS = terms()


def pattern(form: str) -> re.Pattern[str]:
    """Where a form stands; lower case finds capitals too, as at the beginning of a sentence."""
    if form.startswith("*"):
        return re.compile(rf"(?<=\*){re.escape(form.strip('*'))}(?=\*)", re.I)
    flags = 0 if re.search("[A-Z]", form) else re.I
    return re.compile(rf"(?<![\w`/@-]){re.escape(form)}(?![\w`@-])", flags)


def prose(source: Path) -> str:
    cells = jupytext.read(source, fmt="py:percent").cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def first_bare(term: Term, text: str) -> int | None:
    """Where a text first uses a term without a link; None if nowhere.

    A form inside a longer form of another term is that other term: "mask" in "causal mask".
    """
    taken = [match.span() for match in NOT_PROSE.finditer(text)]
    for other in TERMS:
        longer = [f for f in other.forms if any(mine.strip("*") in f and len(f) > len(mine) for mine in term.forms)]
        if other != term:
            taken += [match.span() for form in longer for match in pattern(form).finditer(text)]
    places = [match.span() for form in term.forms for match in pattern(form).finditer(text)]
    return min((a for a, b in places if not any(c < b and a < d for c, d in taken)), default=None)


def test_entries_are_sorted_and_their_anchors_differ() -> None:
    """Bug: a link leads to the first of two entries of one name."""
    names = [term.name.lower() for term in TERMS]
    assert names == sorted(names)
    assert len({term.anchor for term in TERMS}) == len(TERMS)


@pytest.mark.parametrize("source", CHAPTERS, ids=lambda source: source.stem)
def test_a_term_is_linked_where_it_is_first_used(source: Path) -> None:
    """Bug: a learner meets a word, and where it is explained is not said, or said three pages later."""
    text = prose(source)
    linked: dict[str, int] = {}
    for match in LINK.finditer(text):
        assert match[2] in {term.anchor for term in TERMS}, f"{match[0]}: no such entry"
        assert match[2] not in linked, f"{match[0]}: linked a second time"
        linked[match[2]] = match.start()
    for term in TERMS:
        bare = first_bare(term, text)
        if bare is not None:
            near = text[max(0, bare - 40) : bare + 40]
            assert linked.get(term.anchor, len(text)) < bare, f"{term.name}: first used, without a link, in …{near}…"


def test_every_entry_is_linked_from_a_chapter() -> None:
    """Bug: the glossary keeps words that the course no longer uses."""
    linked = {match[2] for source in CHAPTERS for match in LINK.finditer(prose(source))}
    assert {term.anchor for term in TERMS} <= linked


def test_entries_link_to_each_other() -> None:
    """Bug: a link inside the glossary leads to an entry that was renamed."""
    page = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= {term.anchor for term in TERMS}
