"""The slides: every chapter has some, they need nothing from outside, and nothing runs over their edges."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
builder = importlib.import_module("build_slides")
SOURCES = builder.builder.sources()


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_every_chapter_has_slides(source: Path) -> None:
    """Bug: a chapter is rewritten, its tags get lost, and its lecture has two slides or ninety."""
    slides = builder.slides_of(source)
    assert 8 <= len(slides) <= 20
    for slide in slides:
        assert slide.title and (slide.body or slide.pictures), slide.title
    assert any(slide.notes for slide in slides)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_slides_load_nothing(source: Path) -> None:
    """Bug: slides that look right at home want a font or a picture from elsewhere in a hall without a network."""
    page = builder.deck(source)
    loaded = re.findall(r"""(?:src|href)\s*=\s*["']([^"']+)|url\(["']?([^"')]+)|@import""", page)
    assert all(address.startswith(("data:", "#")) for pair in loaded for address in pair if address)
    assert "<script src" not in page and "fetch(" not in page


def test_the_tag_of_a_continuation_needs_a_slide() -> None:
    """Bug: the slide of a chapter that begins with `slide-more` is glued to the title."""
    for source in SOURCES:
        tags = [set(builder.builder.tags(cell)) & builder.builder.SLIDE for cell in builder.builder._read(source)]
        first = next(tag for tag in tags if tag)
        assert "slide-more" not in first, source.stem
        assert all(len(tag) < 2 for tag in tags), source.stem


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """A page as large as a projector."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        assert not os.environ.get("CI"), "CI must have Chromium"
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser.new_page(viewport={"width": 1280, "height": 720})
        browser.close()


OVERFLOW = """() => [...document.querySelectorAll(".slide")].map((slide) => {
    const content = slide.querySelector(".content"), sizes = [...content.querySelectorAll("pre")].map(
        (pre) => parseFloat(getComputedStyle(pre).fontSize));
    return { title: slide.querySelector("h2").textContent, smallest: Math.min(99, ...sizes),
        down: Math.max(content.scrollHeight - content.clientHeight, slide.scrollHeight - slide.clientHeight),
        right: content.scrollWidth - content.clientWidth };
})"""


@pytest.mark.browser
def test_nothing_runs_over_the_edge(page: Any, tmp_path: Path) -> None:
    """Bug: the last lines of a slide are below its edge, where only the author knows of them; or code too small."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    assert builder.main(["--out", str(tmp_path)]) == 0
    for path in sorted(tmp_path.glob("*.html")):
        page.goto(path.as_uri())
        for slide in page.evaluate(OVERFLOW):
            assert slide["down"] <= 0 and slide["right"] <= 0 and slide["smallest"] >= 18, (path.stem, slide)
    assert all(url.startswith(("file:", "data:")) for url in asked)


@pytest.mark.browser
def test_keys_and_paper(page: Any, tmp_path: Path) -> None:
    """Bug: a presenter's remote, which sends arrow keys, does nothing; or on paper half of the slides are missing."""
    assert builder.main(["03_batching", "--out", str(tmp_path)]) == 0
    page.goto((tmp_path / "03_batching.html").as_uri())
    number = page.locator(".slide.now .number")
    for key, expected in [("ArrowRight", "2 /"), ("ArrowRight", "3 /"), ("ArrowLeft", "2 /"), ("Home", "1 /")]:
        page.keyboard.press(key)
        assert number.inner_text().startswith(expected)
    page.keyboard.press("End")
    page.keyboard.press("n")
    assert page.locator(".slide.now .notes").is_visible()
    count = page.locator(".slide").count()
    assert number.inner_text() == f"{count} / {count}"
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == count
