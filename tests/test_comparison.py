"""The comparison in the data card: recomputed from its own record, and saying what the course claims."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from ift_lib.data import Example
from ift_lib.evaluation.verify import verify
from ift_lib.run import prepare
from ift_lib.run_config import RunConfig

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))
tool = importlib.import_module("compare_pocket")
CARD = (ROOT / "ift_lib" / "assets" / "DATASET.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    return json.loads((ROOT / "ift_lib" / "assets" / "comparison.json").read_text(encoding="utf-8"))


def test_the_card_shows_the_record(record: dict[str, Any]) -> None:
    """Prevents a table that was written by hand, or left behind by a newer measurement."""
    assert CARD.split(tool.MARKS[0])[1].split(tool.MARKS[1])[0].strip() == tool.table(record)


def test_the_record_is_of_this_test_split(record: dict[str, Any]) -> None:
    """Prevents scores of questions that the data set no longer asks, or that training has seen."""
    data = prepare(RunConfig(), 512)
    assert [Example(**e) for e in record["test"]] == [data.examples[i] for i in data.split.test]


def test_the_verdicts_are_those_of_the_rules(record: dict[str, Any]) -> None:
    """Prevents a table made by older rules."""
    test = [Example(**e) for e in record["test"]]
    for runs in record["systems"].values():
        for run in runs:
            assert run["verified"] == [verify(e, answer) for e, answer in zip(test, run["answers"], strict=True)]


def test_fine_tuning_beats_each_alternative(record: dict[str, Any]) -> None:
    """Prevents a pocket model with which the course's first claim is not true: every seed beats the best other one."""
    categories = [e["category"] for e in record["test"]]
    total = {name: tool.share(runs, categories, None) for name, runs in record["systems"].items()}
    assert min(total["fine-tuned"]) > 1.25 * max(*total["pretrained"], *total["nearest"], *total["random"])
    loss = {name: [r["validation_loss"] for r in record["systems"][name]] for name in ("pretrained", "random")}
    assert max(r["validation_loss"] for r in record["systems"]["fine-tuned"]) < min(
        *loss["pretrained"], *loss["random"]
    )
    assert len({r["seed"] for r in record["systems"]["fine-tuned"]}) == 3


def test_nearest_copies_the_answer_of_the_nearest_question() -> None:
    """Prevents a baseline weakened by a mistake: the same words must find their own entry."""
    train = [Example("Write the plural.", "cat", "cats"), Example("Name the opposite.", "hot", "cold")]
    test = [Example("Name an opposite.", "hot", "cold"), Example("Write a plural.", "dog", "dogs")]
    assert tool.nearest_answers(train, test) == ["cold", "cats"]


def test_intervals_over_seeds() -> None:
    """Prevents a half width by the normal quantile, which three runs do not allow: t is 4.303 for two degrees."""
    assert tool.interval([1.0, 2.0, 3.0], 2) == "2.00 ± 2.48"  # 4.303 * 1 / sqrt(3)
    assert fmean([40, 50, 60]) == 50 and tool.spread([40, 50, 60]) == "50 (40 to 60)"
