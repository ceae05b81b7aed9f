"""The built book in both languages: the switch leads somewhere, each page says its language, anchors are the same."""

from __future__ import annotations

import importlib
import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
languages = importlib.import_module("languages")
SITE: Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def site(website: Path) -> None:
    """All of this file looks at the built book."""
    global SITE
    SITE = website


class Page(HTMLParser):
    """What of a page matters here."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.lang, self.switch, self.ids = "", [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "html":
            self.lang = found.get("lang") or ""
        if found.get("id"):
            self.ids.add(found["id"])
        if "data-same-page" in found:
            self.switch.append(found)


def english(path: Path) -> str:
    """A page's place in the website without the folders of its language."""
    return "/".join(part for part in path.relative_to(SITE).parts if part != "pt-br")


def pages() -> list[Path]:
    """The pages with content; the builder's redirects have no header."""
    found = [*SITE.glob("*/**/*.html"), SITE / "search.html"]
    return [path for path in found if "article-header" in path.read_text(encoding="utf-8")]


def test_every_page_says_its_language_and_has_a_switch_that_leads_somewhere() -> None:
    """Bug: a screen reader speaks Portuguese with English sounds; or the switch ends in a page that is not there."""
    seen = 0
    for path in pages():
        portuguese = (SITE / "pt-br") in path.parents
        here, there = languages.LANGUAGES[::-1] if portuguese else languages.LANGUAGES
        page = Page(path)
        assert page.lang == here.code, path
        (link,) = page.switch
        assert (link["lang"], link["hreflang"]) == (there.code, there.code), path
        target = Path(os.path.normpath(path.parent / str(link["href"])))
        assert target.is_file() and Page(target).lang == there.code, path
        assert ((SITE / "pt-br") in target.parents) is not portuguese
        assert (link["data-same-page"] == "yes") is (english(target) == english(path)), path
        seen += portuguese
    assert seen >= 9


@pytest.mark.parametrize("page", ["01_formatting", "02_splitting", "03_batching", "solutions/01_formatting"])
def test_both_languages_have_the_same_anchors(page: str) -> None:
    """Bug: a link to a section or a cell of the English page means nothing in the Portuguese one."""
    pages()
    one, two = SITE / f"chapters/{page}.html", SITE / f"pt-br/chapters/pt-br/{page}.html"
    ours = {id for id in Page(one).ids if id.startswith("cell-")} | sections(one)
    assert len(ours) > 20 and ours <= Page(two).ids


def sections(path: Path) -> set[str]:
    return set(re.findall(r'<section [^>]*\bid="([^"]+)"', path.read_text(encoding="utf-8")))


def test_the_portuguese_book_can_be_searched() -> None:
    """Bug: the index has no Portuguese words, or holds them with the endings of another language."""
    pages()
    index = (SITE / "pt-br/searchindex.js").read_text(encoding="utf-8")
    assert "chapters/pt-br/03_batching" in index
    assert re.search(r'"?m[áa]scar', index), "the stem of máscara"
    assert "portuguese" in (SITE / "pt-br/_static/language_data.js").read_text(encoding="utf-8").lower()
