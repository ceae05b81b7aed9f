"""Data sets of `datasets`: the same entries as from a file, whatever they are stored in; no network."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from optional import need

from ift_lib.data import Example, load_examples
from ift_lib.errors import InputError
from ift_lib.hub_data import is_dataset, write_dataset

datasets = need("datasets")
pytestmark = pytest.mark.filterwarnings("ignore")  # theirs

ALPACA = [{"instruction": "Count.", "input": "to 2", "output": "1 2", "text": "all of it", "id": 7},
          {"instruction": "Say naïve “日本”.", "input": "", "output": "naïve “日本”", "text": "", "id": 8}]  # fmt: skip
DOLLY = [{"instruction": "Count.", "context": "to 2", "response": "1 2", "category": "counting"}]
CHAT = [{"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."}], "source": "x"}]
EXPECTED = [Example("Count.", "to 2", "1 2"), Example("Say naïve “日本”.", "", "naïve “日本”")]


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own; what asks the hub would fail."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    monkeypatch.chdir(tmp_path)


def read(data: str) -> list[Example]:
    write_dataset(data, "out/data.jsonl")
    return load_examples("out/data.jsonl")


def test_saved_to_disk() -> None:
    """Bug: extra columns that are no JSON, letters lost, or another order."""
    datasets.Dataset.from_list(ALPACA).save_to_disk("one")
    assert is_dataset("one") and read("one") == EXPECTED
    several = {"test": datasets.Dataset.from_list(ALPACA[:1]), "train": datasets.Dataset.from_list(ALPACA[1:])}
    datasets.DatasetDict(several).save_to_disk("several")
    assert read("several") == EXPECTED[1:]
    assert read("hf:several:test") == EXPECTED[:1]
    with pytest.raises(InputError, match=r"has no split 'dev'; there are .*test.*hf:NAME:SPLIT"):
        read("hf:several:dev")


@pytest.mark.parametrize("kind", ["parquet", "json", "csv"])
def test_a_folder_of_files(tmp_path: Path, kind: str) -> None:
    """Bug: a folder that is downloaded by hand and cannot be read."""
    Path("folder").mkdir()
    getattr(datasets.Dataset.from_list(ALPACA), f"to_{kind}")(str(tmp_path / f"folder/train.{kind}"))
    assert read("folder") == EXPECTED


def test_the_other_field_names() -> None:
    """Bug: Dolly's answers or a chat's messages taken for another column."""
    datasets.Dataset.from_list(DOLLY).save_to_disk("dolly")
    assert read("dolly") == [Example("Count.", "to 2", "1 2", "counting")]
    datasets.Dataset.from_list(CHAT).save_to_disk("chat")
    assert read("chat") == [Example("Hi?", "", "Hello.")]


def test_a_split_that_is_not_called_train() -> None:
    """Bug: a data set with one split, refused for its name; or one of two taken by chance."""
    one = datasets.Dataset.from_list(ALPACA)
    datasets.DatasetDict({"eval": one}).save_to_disk("single")
    assert read("single") == EXPECTED
    datasets.DatasetDict({"a": one, "b": one}).save_to_disk("double")
    with pytest.raises(InputError, match="has no split 'train'; there are a, b"):
        read("double")


@pytest.mark.parametrize(
    ("data", "asked", "split"),
    [
        ("hf:tatsu-lab/alpaca", ("tatsu-lab/alpaca",), "train"),
        ("hf:tatsu-lab/alpaca:test", ("tatsu-lab/alpaca",), "test"),
        ("hf:owner/name/subset:test", ("owner/name", "subset"), "test"),
        ("hf:squad", ("squad",), "train"),
    ],
)
def test_what_the_hub_is_asked(monkeypatch: pytest.MonkeyPatch, data: str, asked: Any, split: str) -> None:
    """Bug: a split taken for part of the name. (The call is looked at; the hub itself is not part of this test.)"""
    calls = []

    def load(*args: str) -> Any:
        calls.append(args)
        return {split: datasets.Dataset.from_list(ALPACA), "other": datasets.Dataset.from_list(DOLLY)}

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert is_dataset(data) and read(data) == EXPECTED
    assert calls == [asked]


def test_a_name_that_is_not_there() -> None:
    """Bug: a page of traceback for a typo."""
    with pytest.raises(InputError, match=r"--data hf:nobody/nothing: `datasets` could not read it"):
        read("hf:nobody/nothing")
    Path("empty").mkdir()
    with pytest.raises(InputError, match="could not read it"):
        read("empty")


def test_columns_that_mean_nothing_to_us() -> None:
    """Bug: a file of empty objects, and then a complaint about each of its lines."""
    datasets.Dataset.from_list([{"prompt": "a", "completion": "b"}]).save_to_disk("other")
    with pytest.raises(InputError, match=r"columns prompt, completion; wanted are instruction and output.*rename"):
        read("other")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: an ImportError that does not say what to install."""
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match="pip install datasets"):
        read("hf:owner/name")


def test_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: a run that cannot be resumed without the hub, or a folder that is taken by a run which never began."""
    from tiny import make_tiny

    from ift_lib import cli
    from ift_lib.export import export_pretrained

    export_pretrained(make_tiny(), "tiny")
    rows = [{"instruction": f"Count to {n}.", "output": " ".join(map(str, range(n)))} for n in range(2, 32)]
    datasets.Dataset.from_list([*rows, {"instruction": "Count.", "output": ""}]).save_to_disk("numbers")
    run = "run --data numbers --model tiny --template phi3 --epochs 1 --max-new-tokens 3 --out out".split()
    assert cli.main(run) == 2
    assert "entry 30" in capsys.readouterr().err and not Path("out").exists()
    assert cli.main([*run, "--skip-problems"]) == 0
    config = json.loads(Path("out/config.json").read_text())
    assert config["dataset"] == "numbers" and Path(config["data"]) == Path("out/data.jsonl")
    Path("out/report.html").unlink()
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert cli.main(["run", "--resume", "out"]) == 0
