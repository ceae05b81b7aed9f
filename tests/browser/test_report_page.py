"""The report in a real browser: no errors, no requests, no sideways scroll, and a filter that filters."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from run_folders import EVIL, make_answer, make_run

from ift_lib.course.report import write_report

pytestmark = pytest.mark.browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium. Without one: a skip on a person's machine, a failure in CI."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        message = f"none of {', '.join(BROWSERS)} is installed; on Debian: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        yield playwright.chromium.launch(executable_path=executable, args=arguments)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every attack as an answer, and ten good ones."""
    attacks = [make_answer(response=e, instruction=e, category=e[:20], verified=False, token_f1=0.0) for e in EVIL]
    good = [make_answer(category="rhyme", response=f"cat number {i}", token_f1=i / 10) for i in range(10)]
    return write_report(make_run(tmp_path_factory.mktemp("run"), attacks + good))


@pytest.mark.parametrize(("width", "scheme"), [(375, "light"), (375, "dark"), (1280, "light")])
def test_it_opens_quietly_and_fits(browser: Any, report: Path, width: int, scheme: str) -> None:
    """Prevents an attack that a parser misses but a browser runs, and a page wider than a phone."""
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    noise: list[str] = []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("dialog", lambda dialog: noise.append(dialog.message))
    page.on("request", lambda request: noise.append(request.url) if request.url != report.as_uri() else None)
    page.goto(report.as_uri())
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    # Cards out of sight are not laid out (content-visibility), so look at all of them.
    page.add_style_tag(content=".answer { content-visibility: visible !important }")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("script, iframe, img, object").count() == 1
    shown = page.locator("figure svg:visible")
    assert shown.count() == 2, "of each picture the broad or the narrow shape, not both"
    assert noise == []
    page.close()


def test_the_filter_filters_and_sorts(browser: Any, report: Path) -> None:
    """Prevents a form that counts one thing and shows another."""
    page = browser.new_page()
    page.goto(report.as_uri())
    cards, count = page.locator(".answer:visible"), page.locator("#count")
    everything = len(EVIL) + 10
    assert count.inner_text() == f"{everything} of {everything} answers" and cards.count() == everything
    page.get_by_role("combobox", name="Category").select_option(label="rhyme")
    assert count.inner_text() == f"10 of {everything} answers" and cards.count() == 10
    page.get_by_role("combobox", name="Order").select_option("best")
    assert "cat number 9" in (cards.first.text_content() or "")
    page.get_by_label("Containing").fill("NUMBER 3")
    assert cards.count() == 1 and "cat number 3" in (cards.first.text_content() or "")
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function(f"document.querySelector('#count').textContent.startsWith('{everything} ')")
    page.get_by_role("combobox", name="Verdict").select_option("wrong")
    assert cards.count() == len(EVIL)
    page.close()


def test_without_scripts_it_is_complete(browser: Any, report: Path) -> None:
    """Prevents a page that a mail program, which runs no script, shows empty."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator(".answer:visible").count() == len(EVIL) + 10
    assert not page.locator("#filter").is_visible()
    context.close()
