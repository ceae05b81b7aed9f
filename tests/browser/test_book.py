"""The book in a real browser, over a real HTTP server: no page is noisy, broken, too wide, or hard to read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from book_site import ROOT, broken_links, served
from playwright.sync_api import Page, Request, Response, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def address(website: Path) -> Iterator[str]:
    with served(website) as address:
        yield address


def names(website: Path) -> list[str]:
    """The pages of the book; those at the top of a language only lead on to its front page."""
    pages = [path for path in website.rglob("*.html") if 'http-equiv="Refresh"' not in path.read_text(encoding="utf-8")]
    found = [path.relative_to(website).as_posix() for path in pages]
    return sorted(name for name in found if "_static/" not in name)


class Watch:
    """Everything that a page says, asks for, and does not get."""

    def __init__(self, page: Page, address: str) -> None:
        self.faults: list[str] = []
        self.address = address
        page.on("console", lambda message: self.note(message.type in ("error", "warning"), message.text))
        page.on("pageerror", lambda error: self.note(True, str(error)))
        page.on("request", self.request)
        page.on("requestfailed", self.failed)
        page.on("response", self.response)

    def note(self, is_fault: bool, text: str) -> None:
        if is_fault:
            self.faults.append(text)

    def request(self, request: Request) -> None:
        self.note(not request.url.startswith((self.address, "data:", "blob:")), f"leaves the machine: {request.url}")

    def failed(self, request: Request) -> None:
        # What a page still waits for when the next one is opened is given up, and no fault.
        self.note(request.failure != "net::ERR_ABORTED", f"failed: {request.url}, {request.failure}")

    def response(self, response: Response) -> None:
        self.note(response.status >= 400, f"{response.status}: {response.url}")


def test_every_chapter_is_in_the_book(website: Path) -> None:
    """Bug: a new chapter is written, and the table of contents does not know it."""
    for notebook in [*(ROOT / "chapters").glob("*.ipynb"), *(ROOT / "chapters/solutions").glob("*.ipynb")]:
        assert (website / notebook.relative_to(ROOT)).with_suffix(".html").is_file(), notebook.stem


def test_every_link_leads_somewhere(website: Path) -> None:
    """Bug: a heading is renamed, and five pages lead to where it was."""
    assert broken_links(website) == []


def test_every_page_is_quiet_and_fits_a_phone(website: Path, address: str, page: Page) -> None:
    """Bug: a script or a font comes from a server far away; a script fails; a wide table pushes the page sideways."""
    found: dict[str, list[str]] = {}
    watch = Watch(page, address)
    page.set_viewport_size({"width": 375, "height": 800})
    for name in names(website):
        watch.faults = []
        page.goto(address + name, wait_until="load")
        wide = page.evaluate("document.documentElement.scrollWidth")
        watch.note(wide > 375, f"{wide} wide on a phone of 375")
        if watch.faults:
            found[name] = watch.faults
    page.set_viewport_size({"width": 1300, "height": 1000})
    assert found == {}


def test_the_search_finds(address: str, page: Page) -> None:
    """Bug: the index of the search is missing, or is fetched from elsewhere."""
    watch = Watch(page, address)
    page.goto(f"{address}search.html?q=masking")
    results = page.locator("#search-results li")
    expect(results.first).to_be_visible()
    expect(page.locator("#search-results").get_by_role("link", name="Batching and masking").first).to_be_visible()
    assert watch.faults == []


def test_a_quiz_answers(address: str, page: Page) -> None:
    """Bug: in the book, where no kernel runs, a quiz is a row of dead buttons."""
    page.goto(f"{address}chapters/03_batching.html")
    quiz = page.locator(".quiz")
    answer = quiz.locator("details").first
    expect(answer.get_by_text("Right.")).to_be_hidden()
    answer.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(answer.get_by_text("Right.")).to_be_visible()
    assert answer.get_by_text("Not this one.").count() >= 2, "each wrong option says why, too"


def test_the_reader_chooses_light_or_dark(address: str, page: Page) -> None:
    """Bug: dark mode forgets itself on the next page, or leaves the picture of the front page black on black."""
    page.emulate_media(color_scheme="dark")
    page.goto(f"{address}book/index.html")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    ink = "getComputedStyle(document.querySelector('.journey .title')).fill"
    dark = page.evaluate(ink)
    page.get_by_role("button", name="Color mode").click()
    page.wait_for_function("document.documentElement.dataset.theme == 'light'")
    assert page.evaluate(ink) != dark
    page.goto(f"{address}book/glossary.html")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.evaluate("localStorage.clear()")
    page.emulate_media(color_scheme="light")


TWICE = ("solutions/", "genindex", "py-modindex")
"""Pages with nothing on them that other pages have not: not looked at twice."""
LARGE = 2_500
"""Elements of a page. Past them axe takes minutes, for pages that are made of the same pieces as the smaller ones."""


def test_nothing_keeps_a_reader_out(website: Path, address: str, page: Page) -> None:
    """Bug: grey on grey, a picture without words, a box that only a mouse can scroll (axe-core, light and dark)."""
    from axe_playwright_python.sync_playwright import Axe

    axe, found, seen = Axe(), [], []
    options = {"resultTypes": ["violations"], "preload": False}  # preload: axe itself would fetch styles once more
    for name in (name for name in names(website) if not any(part in name for part in TWICE)):
        page.goto(address + name)
        if page.evaluate("document.querySelectorAll('*').length") > LARGE:
            continue
        seen.append(name)
        page.add_style_tag(content="* { transition: none !important }")  # or axe sees colours on their way to others
        for theme in ("light", "dark"):
            page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            for fault in axe.run(page, options=options).response["violations"]:
                if fault["impact"] in ("serious", "critical"):
                    first = fault["nodes"][0]
                    told = f"{first['html'][:200]}: {first['failureSummary'][:300]}"
                    found.append(f"{name}, {theme}: {fault['id']}, {len(fault['nodes'])} times, such as {told}")
    assert found == []
    assert {"book/index.html", "book/glossary.html", "chapters/00_start_here.html"} <= set(seen)
