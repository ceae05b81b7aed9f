"""`ift warm-up`: what it checks is checked, and what is wrong makes it fail."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ift_lib import cli
from ift_lib.course import warm_up_command
from ift_lib.course.warm_up_command import ASSETS, SUMS


def test_the_sums_are_those_of_the_files() -> None:
    """Bug: a file of the package is renewed, and every teacher hears on the evening before that theirs is damaged."""
    listed = dict(line.split("  ", 1)[::-1] for line in SUMS.read_text(encoding="utf-8").splitlines())
    files = [p for p in ASSETS.rglob("*") if p.is_file() and p != SUMS and p.suffix != ".pyc"]
    found = {path.relative_to(ASSETS).as_posix(): warm_up_command._sha256(path) for path in files}
    assert listed == found, (
        "renew them: cd ift_lib/assets && find * -type f ! -name SHA256SUMS ! -name '*.pyc' | LC_ALL=C sort "
        "| xargs sha256sum > SHA256SUMS"
    )


def test_all_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: the command itself is broken, which is found out on the evening before a class."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["warm-up"]) == 0
    said = capsys.readouterr().out
    assert said.count("ok ") == 5 and "NOT OK" not in said
    assert said.splitlines()[-1].startswith("Ready. Not checked:")


def test_a_damaged_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bug: a file that was cut off by a full USB stick passes, and thirty people see a traceback."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ASSETS, tmp_path / "assets", ignore=shutil.ignore_patterns("*.safetensors"))
    quiz = tmp_path / "assets" / "instructions.json"
    quiz.write_bytes(quiz.read_bytes()[:-1])
    monkeypatch.setattr(warm_up_command, "ASSETS", tmp_path / "assets")
    assert cli.main(["warm-up"]) == 2
    said = capsys.readouterr()
    assert "instructions.json" in said.out and "pocket/model.safetensors" in said.out
    assert "ok      pocket model" in said.out  # the other checks go on
    assert "files: not ready for the class" in said.err


def test_a_model_that_cannot_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bug: without a network the command says that all is ready, and the download is tried in class."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("ift_lib.hub.huggingface_hub.get_hf_file_metadata", _no_network)
    monkeypatch.setattr("ift_lib.hub.huggingface_hub.hf_hub_download", _not_there)
    assert cli.main(["warm-up", "--model", "gpt2"]) == 2
    said = capsys.readouterr()
    assert "NOT OK  gpt2: gpt2: could not download" in said.out and "gpt2: not ready for the class" in said.err


def _no_network(*args: object, **kwargs: object) -> None:
    raise OSError("no route to host")


def _not_there(*args: object, **kwargs: object) -> None:
    raise FileNotFoundError
