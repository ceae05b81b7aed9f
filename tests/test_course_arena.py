"""The arena: votes by keys are blind, saved at once, harmless to look at; its simulated crowd is what its card says."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from run_folders import EVIL, Tags

from ift_lib.course.arena import ARENA, arena_answers, arena_items, simulated_votes, with_style
from ift_lib.course.judging import chapter_items
from ift_lib.course.widgets.arena import Arena, arena, battle_card, ratings_card
from ift_lib.errors import InputError
from ift_lib.evaluation.arena import Battle, clean_battles
from ift_lib.evaluation.bradley_terry import bootstrap_ratings, bradley_terry
from ift_lib.evaluation.items import Item
from ift_lib.evaluation.style_control import style_control
from ift_lib.evaluation.votes import VoteStore

# --- the widget ---


def make_items(n: int = 4) -> list[Item]:
    return [Item(str(i), f"Task {i}.", "", "reference", f"tuned {i}", before=f"raw {i}") for i in range(n)]


@pytest.fixture
def desk(tmp_path: Path) -> Arena:
    return arena(make_items(), path=tmp_path / "runs" / "votes.sqlite", voter="Ada", seed=5)


def kept(desk: Arena) -> list[str]:
    return [b.winner for b in VoteStore(desk.store.path).battles("Ada")]


def test_keys_vote_and_go_on(desk: Arena) -> None:
    """Prevents a vote that is shown and not saved, and keys typed faster than the kernel answers from getting lost."""
    assert not desk.store.path.exists(), "an opened arena has saved nothing"
    desk.key_box.value = "l"
    assert kept(desk) == ["model_a"] and desk.position == 1
    desk.key_box.value = "lTx"  # two more characters at once
    assert kept(desk) == ["model_a", "tie", "tie (bothbad)"]
    desk.key_box.value = "lT"  # a backspace is no key
    desk.key_box.value = "lT?b"  # others do nothing; b leafs back
    assert desk.position == 2
    desk.press("r")
    assert "first vote counts" in desk.status.value and len(kept(desk)) == 3
    desk.press("n")
    desk.buttons[1].click()
    assert kept(desk)[-1] == "model_b"
    assert "4 of 4 voted by Ada. All voted" in desk.status.value


def test_names_are_hidden_until_the_vote(desk: Arena) -> None:
    """Prevents a vote for a name: neither card nor page tells it before, both tell it after."""
    page = lambda: "".join(part.value for part in (desk.card, desk.status, desk.table))  # noqa: E731
    assert "finetuned" not in page() and "base" not in page()
    left, right = desk.seats
    shown = desk.card.value
    assert shown.index({"base": "raw", "finetuned": "tuned"}[left]) < shown.index(
        {"base": "raw", "finetuned": "tuned"}[right]
    )
    desk.press("r")
    assert f"left was <bdi>{left}</bdi>, right was <bdi>{right}</bdi>; you voted right" in desk.status.value
    assert "finetuned" not in desk.card.value, "the next one is blind again"
    [vote] = desk.store.battles()
    assert (vote.model_a, vote.model_b, vote.anony) == (left, right, True)
    desk.back.click()
    assert f"left: <bdi>{left}</bdi>" in desk.card.value and "you voted right" in desk.card.value
    assert [b.button_style for b in desk.buttons] == ["", "primary", "", ""]


def test_votes_and_seats_survive_a_restart(desk: Arena) -> None:
    """Prevents an afternoon's votes from dying with the kernel, and seats drawn anew."""
    desk.press("l")
    desk.press("t")
    again = arena(make_items(), path=desk.store.path, voter="Ada", seed=99)
    assert again.order == desk.order and again.position == 2 and again.seats == desk.seats
    assert "2 of 4 voted by Ada" in again.status.value
    again.name.value = "Bo"
    assert "0 of 4 voted by Bo" in again.status.value
    again.name.value = " "
    again.press("l")
    assert "Not saved: voter: has no name" in again.status.value
    assert len(again.store.battles()) == 2


def test_both_models_sit_on_both_sides(tmp_path: Path) -> None:
    """Prevents a seat by which a voter could learn the name."""
    desk = arena(make_items(40), path=tmp_path / "v.sqlite")
    for _ in range(40):
        desk.press("t")
    assert 10 < Counter(b.model_a for b in desk.store.battles())["base"] < 30


def test_the_table_follows_the_votes(desk: Arena) -> None:
    """Prevents ratings of other votes than those in the file, or a number where there is none yet."""
    assert "No votes yet" in desk.table.value
    desk.press({"finetuned": "l"}.get(desk.seats[0], "r"))
    assert "No ratings yet" in desk.table.value and "won every vote" in desk.table.value.replace("lost", "won")
    desk.press({"base": "l"}.get(desk.seats[0], "r"))
    desk.press({"finetuned": "l"}.get(desk.seats[0], "r"))
    votes = desk.store.battles()
    ratings, intervals = bradley_terry(votes), bootstrap_ratings(votes).intervals()
    cells = re.findall(r"<t[hd](?: [^>]*)?>(?:<bdi>)?([^<]*)", desk.table.value)
    assert cells[5:] == [
        cell
        for model, rank in (("finetuned", "1"), ("base", "1"))
        for low, high in [intervals[model]]
        for cell in (model, f"{ratings[model]:.0f}", f"{low:.0f} to {high:.0f}", rank, "3")
    ]
    assert "too few votes" in desk.table.value
    assert repr(ratings_card(votes)) == "RatingsCard: 3 votes"


def test_more_models_meet_in_all_pairs(tmp_path: Path) -> None:
    """Prevents an answer that is missing from stopping the page, and an arena of one."""
    answers = {"a": {"0": "x", "1": "x"}, "b": {"0": "y"}, "c": {"0": "z", "1": "z"}}
    desk = arena(make_items(2), answers, tmp_path / "v.sqlite")
    assert len(desk.order) == 3 + 1
    for broken in ({"a": {"0": "x"}}, {"a": {"0": "x"}, "b": {"1": "y"}}, {}):
        with pytest.raises(InputError, match="no battles"):
            arena(make_items(2), broken, tmp_path / "v.sqlite")
    with pytest.raises(InputError, match="no battles"):
        arena([Item("1", "Say it.", "", "It.", "It.")], path=tmp_path / "v.sqlite")


@pytest.mark.parametrize("text", EVIL)
def test_any_text_is_shown_harmlessly(tmp_path: Path, text: str) -> None:
    """Prevents a response, or a model's name, from running in the voter's browser, turning it around, or filling it."""
    item = Item("1", text, text, text, text)
    desk = arena([item], {text: {"1": text}, "b": {"1": text}}, tmp_path / "v.sqlite", voter=text)
    cards = [battle_card(item, text, text, vote=Battle(text, "b", text))._repr_html_(), desk.card.value]
    desk.press("l")
    cards += [desk.card.value, desk.status.value, desk.table.value]
    for html in cards:
        page = Tags(html)
        allowed = "style div small p details summary span bdi br table caption thead tbody tr th td".split()
        assert set(page.tags) <= set(allowed)
        assert page.handlers == []
        assert len(html) < 60_000
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html)


# --- the simulated crowd ---


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    """tools/make_votes.py as a module."""
    path = Path(__file__).parents[1] / "tools" / "make_votes.py"
    spec = importlib.util.spec_from_file_location("make_votes", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_files_are_built_from_their_rules(
    builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents votes that were touched up by hand: the script writes the same bytes."""
    monkeypatch.setattr(sys, "argv", ["make_votes.py", "--out", str(tmp_path)])
    builder.main()
    for name in ("answers.jsonl", "votes.csv"):
        assert (tmp_path / name).read_bytes() == (ARENA / name).read_bytes()


def test_the_card_says_that_nobody_voted(builder: ModuleType) -> None:
    """Prevents a simulated crowd from being taken for people, and a card that tells of other voters."""
    card = (ARENA / "README.md").read_text(encoding="utf-8")
    assert "**Nobody voted.**" in card and "CC-BY-4.0" in card
    votes = simulated_votes()
    assert f"{len(votes)} votes" in card
    assert {b.judge for b in votes} == {voter.name for voter in builder.CROWD}
    assert all(f"`{name}`" in card for name in arena_answers())
    assert [i.id for i in arena_items()] == [i.id for i in chapter_items()]
    assert [i.response for i in arena_items()] == [i.response for i in chapter_items()]


def test_style_control_takes_the_dress_off() -> None:
    """Prevents a crowd in which the lesson cannot be seen: the same words in a dress win, and at equal style do not."""
    cleaned = clean_battles(simulated_votes(), identity_words=(), per_day=30)
    assert set(cleaned.dropped) == {"not anonymous", "over the cap"}
    plain, controlled = bradley_terry(cleaned.battles), style_control(with_style(cleaned.battles, arena_answers()))
    assert plain["finetuned-dressed"] - plain["finetuned"] > 60
    assert abs(controlled.ratings["finetuned-dressed"] - controlled.ratings["finetuned"]) < 25
    assert [list(plain)[place] for place in (0, -1)] == ["reference", "base"]
