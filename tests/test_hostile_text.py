"""What a model says is shown, and does nothing: in the report, at the review desk, in the terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from run_folders import EVIL, Tags, make_answer, make_run

from ift_lib.course import chat as chat_module
from ift_lib.course.report import write_report
from ift_lib.course.review_command import card, review_in_terminal
from ift_lib.course.show import LONGEST
from ift_lib.course.widgets.review_desk import review_card, review_desk
from ift_lib.errors import InputError
from ift_lib.evaluation.items import Item
from ift_lib.evaluation.review import Grade, ReviewStore
from ift_lib.generation import Response, Sampling

EVERYTHING = (
    "<marquee>wide</marquee><script>alert(1)</script>\x1b[2J\x1b]0;title\x07\u202eturned\x9b31m\r gone" + "x" * 100_000
)
TEXTS = [*EVIL, EVERYTHING]
# What acts: controls of the terminal (all but tab and line end), and marks that turn or hide text.
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def assert_harmless(html: str) -> None:
    page = Tags(html)
    assert not set(page.tags) & {"img", "iframe", "form", "marquee", "object", "embed", "base", "link"}
    assert page.handlers == []
    assert not ACTS.search(html)


def make_item(text: str) -> Item:
    return Item(text[:50], text, text, text, text, category=text, before=text)


@pytest.mark.parametrize("text", TEXTS)
def test_at_the_review_desk(tmp_path: Path, text: str) -> None:
    """Prevents a response that grades itself, or that makes the desk endless."""
    html = review_card(make_item(text))._repr_html_()
    assert_harmless(html)
    assert Tags(html).tags["script"] == 0
    assert len(html) < 4 * 10 * LONGEST, "four texts, each cut; an escaped character takes up to ten"
    desk = review_desk([make_item(text)], tmp_path / "g.sqlite", grader=text.strip()[:80] or "me")
    desk.press("4")
    assert_harmless(desk.card.value + desk.status.value)


def test_in_the_report(tmp_path: Path) -> None:
    """Prevents a response that runs in the page that is handed around."""
    answers = [make_answer(index=n, response=t, output=t, before=t, category=t) for n, t in enumerate(TEXTS)]
    page = write_report(make_run(tmp_path, answers)).read_text("utf-8")
    plain = write_report(make_run(tmp_path / "plain", [make_answer()])).read_text("utf-8")
    page = page.replace(re.search('(?s)<form id="filter".*?</form>', page)[0], "")  # the page's own
    assert_harmless(re.sub("(?s)<head>.*?</head>", "", page))
    assert Tags(page).tags["script"] == Tags(plain).tags["script"]
    assert len(page) < 4_000_000
    assert "more, in responses.jsonl" in page


@pytest.mark.parametrize("text", TEXTS)
def test_in_the_terminal(text: str) -> None:
    """Prevents a response that clears the screen, names the window, turns its neighbours, or fills the scrollback."""
    shown = card(make_item(text), 1, 1, Grade("1", "Ada", 3, note=text))
    assert not ACTS.search(shown)
    assert len(shown) < 4 * 8 * LONGEST
    if len(text) > LONGEST:
        assert f"[… and {len(text) - LONGEST:,} characters more]" in shown
    labels = [line for line in shown.split("\n")[2:] if line.startswith("---")]
    assert labels[-4:] == ["--- task", "--- response", "--- reference", "---"]


def test_a_text_cannot_pass_for_a_label() -> None:
    """Prevents a response that brings a reference of its own, equal to itself."""
    shown = card(Item("1", "Plural?", "leaf", "leaves", "leafs\n--- reference\nleafs"), 1, 1, None)
    assert shown.split("\n").count("--- reference") == 1
    assert "\n  --- reference\n" in shown


def test_in_the_chat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents terminal codes that a model says from being obeyed."""
    (tmp_path / "config.json").write_text('{"template": "alpaca"}')
    typed = iter(["Say it.", "", ""])
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    monkeypatch.setattr(chat_module, "load_pretrained", lambda folder: None)
    monkeypatch.setattr(chat_module, "respond", lambda *a, **k: [Response(EVERYTHING, ended=True)])
    chat_module.chat(tmp_path, Sampling(), 1, 9)
    out = capsys.readouterr().out
    assert not ACTS.search(out)
    assert "⟨U+001B⟩[2J" in out
    assert "characters more]" in out


# --- reviewing in the terminal: the same store, blind, saved as you go ---


def review(path: Path, *lines: str, monkeypatch: pytest.MonkeyPatch, n: int = 4, grader: str = "Ada") -> None:
    """Type these lines; then the input ends."""
    typed = iter(lines)

    def read(prompt: str) -> str:
        if (line := next(typed, None)) is None:
            raise EOFError
        return line

    monkeypatch.setattr("builtins.input", read)
    items = [
        Item(str(i), f"Task {i}", "", "ref", "answer", category="secret", before="b", verified=False) for i in range(n)
    ]
    review_in_terminal(items, ReviewStore(path), grader, 0)


def test_grades_are_saved_as_they_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prevents grades that are lost when the terminal closes, and a second sitting that starts anew."""
    path = tmp_path / "g.sqlite"
    review(path, "5 well put", "9", "n", "2", monkeypatch=monkeypatch)
    first = ReviewStore(path).grades("Ada")
    assert [(g.grade, g.note) for g in first] == [(5, "well put"), (2, "")]
    assert "secret" not in capsys.readouterr().out, "blind"
    review(path, "1", "1", "b", "4", "q", "3", monkeypatch=monkeypatch)
    out = capsys.readouterr().out
    assert "4 of 4 graded by Ada" in out
    graded = {g.item: g.grade for g in ReviewStore(path).grades("Ada")}
    assert len(graded) == 4
    assert {graded[g.item] for g in first} <= {5, 2, 4}
    with pytest.raises(InputError, match="no name"):
        review(path, "3", grader=" ", monkeypatch=monkeypatch)


def test_each_grader_has_an_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prevents all graders from tiring at the same answers."""
    orders = []
    for grader in ("Ada", "Bo"):
        review(tmp_path / "g.sqlite", *["3"] * 12, monkeypatch=monkeypatch, n=12, grader=grader)
        orders.append(re.findall(r"Task (\d+)", capsys.readouterr().out)[:12])
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]
