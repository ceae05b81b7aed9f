"""The page of common errors: each message in it is the one that is really raised."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from tiny import make_tiny

from ift_lib import Example, TrainConfig, load_examples, load_pretrained, split_examples
from ift_lib.course.quiz import quiz
from ift_lib.evaluation.benchmarks import open_benchmark
from ift_lib.evaluation.benchmarks.humaneval import HumanEval
from ift_lib.evaluation.judge_backends import OllamaJudge
from ift_lib.hub import fetch
from ift_lib.run import choose_device

PAGE = Path(__file__).parents[2] / "book" / "common_errors.md"


def data(text: str) -> None:
    """Load a data file with this text."""
    Path("mine.json").write_text(text, encoding="utf-8")
    load_examples("mine.json")


def twice_backward() -> None:
    weight = torch.ones(1, requires_grad=True)
    loss = (weight**2).sum()
    loss.backward()
    loss.backward()


PROVOKE: dict[str, Callable[[], object]] = {
    "no data file": lambda: load_examples("mine.json"),
    "no JSON": lambda: data('[{"instruction": "Say hello." "output": "Hello."}]'),
    "an entry without output": lambda: data(json.dumps([{"instruction": "Say hello."}])),
    "an empty file": lambda: data("[]"),
    "a split of nothing": lambda: split_examples([Example("a", output="b")], validation=0.5, test=0.6),
    "an unknown model": lambda: load_pretrained("gpt3"),
    "no network": lambda: fetch("gpt2", cache_dir="cache", endpoint="http://127.0.0.1:9"),
    "an unknown device": lambda: choose_device("gpu"),
    "an unknown benchmark": lambda: open_benchmark("mlu"),
    "too long a text": lambda: make_tiny()(torch.zeros(1, 5_000, dtype=torch.long)),
    "a rate of zero": lambda: TrainConfig(lr=0),
    "no epochs": lambda: TrainConfig(epochs=0),
    "an unknown quiz": lambda: quiz("3_batching"),
    "code that is not allowed": lambda: HumanEval().check_permission(),
    "no address": lambda: OllamaJudge("llama3", "localhost:11434"),
    "an index too large": lambda: make_tiny()(torch.tensor([[60_000]])),
    "rows of unequal length": lambda: torch.tensor([[1, 2, 3], [4, 5]]),
    "logits not flattened": lambda: F.cross_entropy(torch.zeros(2, 5, 9), torch.zeros(2, 5, dtype=torch.long)),
    "one target too few": lambda: F.cross_entropy(torch.zeros(10, 9), torch.zeros(8, dtype=torch.long)),
    "ids as floats": lambda: make_tiny()(torch.tensor([[1.0, 2.0]])),
    "backward twice": twice_backward,
    "backward without gradients": lambda: torch.ones(1).sum().backward(),
    "weights of another size": lambda: torch.nn.Linear(2, 2).load_state_dict(torch.nn.Linear(3, 2).state_dict()),
    "matrices that do not fit": lambda: torch.ones(2, 3) @ torch.ones(2, 3),
    "a kernel that forgot": lambda: eval("respond(model, test)", {"respond": print}),
    "not installed": lambda: __import__("ift_lib_of_another_folder"),
}


def entries() -> dict[str, str]:
    """What the page says is printed, by the name of what provokes it."""
    page = PAGE.read_text(encoding="utf-8")
    return dict(re.findall(r"^<!-- provoked as: (.+?) -->\n\n```text\n(.+?)\n```$", page, re.M | re.S))


def test_each_entry_is_provoked() -> None:
    """Bug: an entry that no test looks at tells of a message that nobody has seen for years."""
    assert set(entries()) == set(PROVOKE)
    assert PAGE.read_text(encoding="utf-8").count("\n### ") == len(PROVOKE)


@pytest.mark.parametrize("name", PROVOKE)
def test_the_message_is_the_one_on_the_page(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: a learner searches the page for the message, and it has been worded otherwise."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception) as error:
        PROVOKE[name]()
    printed = f"{type(error.value).__name__}: {error.value}"
    wanted = ".*".join(map(re.escape, entries()[name].split("…")))
    assert re.fullmatch(wanted, printed, re.S), f"the page says {entries()[name]!r}, the program {printed!r}"
