"""Downloads, from a hub on this machine (`hub_server.py`): no test leaves it or sees the user's cache."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from hub_server import REPO, REVISION, HubServer

from ift_lib import hub
from ift_lib.errors import InputError

FILES = {"config.json": b'{"model_type": "gpt2"}', "model.safetensors": bytes(range(256)) * 400}
NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens there
TINY = hub.Release(REPO, REVISION, "0.1 MB", {n: hashlib.sha256(c).hexdigest() for n, c in FILES.items()})


@pytest.fixture(autouse=True)
def tiny_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hub.RELEASES, "tiny", TINY)


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer(FILES) as server:
        yield server


def assert_nothing_half_written(cache: Path) -> None:
    """Whatever is in the cache under a file's name is that file, whole."""
    assert not list(cache.rglob("*.incomplete"))
    for path in cache.rglob("snapshots/*/*"):
        assert path.read_bytes() == FILES[path.name]


def test_fetch_downloads_the_two_files_and_no_other(server: HubServer, tmp_path: Path) -> None:
    """Bug: fetching the whole repository, which for gpt2 is ten times the weights (TensorFlow, ONNX, …)."""
    server.files["pytorch_model.bin"] = b"a pickle"
    folder = hub.fetch("tiny", endpoint=server.url, cache_dir=tmp_path)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == FILES
    assert not any("pytorch_model" in request for request in server.requests)
    assert all(REVISION in request for request in server.requests if "/resolve/" in request)


def test_second_fetch_asks_nobody(server: HubServer, tmp_path: Path) -> None:
    """Bug: a cached model that cannot be opened without a network."""
    first = hub.fetch("tiny", endpoint=server.url, cache_dir=tmp_path)
    asked = len(server.requests)
    assert hub.fetch("tiny", endpoint=NOBODY, cache_dir=tmp_path) == first
    assert len(server.requests) == asked


def test_cut_connection_is_resumed(server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: a connection that breaks at 6 of 6.4 GB, and starts again at 0 or leaves half a file in use."""
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1024)
    server.cut_once.add("model.safetensors")
    folder = hub.fetch("tiny", endpoint=server.url, cache_dir=tmp_path)
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert server.ranges == [f"bytes={len(FILES['model.safetensors']) // 2}-"]


@pytest.mark.parametrize("name", FILES)
def test_wrong_bytes_are_refused_and_removed(name: str, server: HubServer, tmp_path: Path) -> None:
    """Bug: training on weights that a mirror changed, or an error that stays with the cached file."""
    server.wrong_bytes.add(name)
    with pytest.raises(InputError, match=f"tiny: {name} has SHA-256 .* instead of {TINY.sha256[name][:16]}"):
        hub.fetch("tiny", endpoint=server.url, cache_dir=tmp_path)
    assert not [p for p in tmp_path.rglob("*") if p.name == name]
    assert_nothing_half_written(tmp_path)
    server.wrong_bytes.clear()
    hub.fetch("tiny", endpoint=server.url, cache_dir=tmp_path)


def test_damage_on_the_disk_is_found(server: HubServer, tmp_path: Path) -> None:
    """Bug: a bit that flips in the cache after the download, and is loaded for ever after."""
    path = hub.fetch("tiny", endpoint=server.url, cache_dir=tmp_path) / "model.safetensors"
    path.write_bytes(FILES["model.safetensors"][:-1])
    with pytest.raises(InputError, match=r"removed, run again"):
        hub.fetch("tiny", endpoint=server.url, cache_dir=tmp_path)
    hub.fetch("tiny", endpoint=server.url, cache_dir=tmp_path)


@pytest.mark.parametrize("status", [404, 401, 500, 503])
def test_refusing_server_gives_one_clear_error(status: int, server: HubServer, tmp_path: Path) -> None:
    """Bug: a traceback of the HTTP library, or minutes of silent retries, where the hub says no."""
    server.status = status
    with pytest.raises(InputError, match=rf"tiny: could not download config.json .*{status}"):
        hub.fetch("tiny", endpoint=server.url, cache_dir=tmp_path)
    assert len(server.requests) == 1
    assert_nothing_half_written(tmp_path)


def test_missing_file_gives_one_clear_error(server: HubServer, tmp_path: Path) -> None:
    """Bug: a repository without the file, reported as a broken connection or not at all."""
    del server.files["model.safetensors"]
    with pytest.raises(InputError, match=r"could not download model.safetensors .*404"):
        hub.fetch("tiny", endpoint=server.url, cache_dir=tmp_path)
    assert_nothing_half_written(tmp_path)


def test_silent_server_times_out(server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: waiting for ever for a hub that takes the connection and never answers."""
    monkeypatch.setattr(hub, "TIMEOUT", 0.3)
    server.stalled = True
    with pytest.raises(InputError, match=r"could not download config.json .*[Tt]ime"):
        hub.fetch("tiny", endpoint=server.url, cache_dir=tmp_path)


def test_unreachable_hub_says_how_to_place_the_files_by_hand(tmp_path: Path) -> None:
    """Bug: «connection error» to a learner offline, who could have copied two files from a friend."""
    with pytest.raises(InputError) as caught:
        hub.fetch("gpt2", endpoint=NOBODY, cache_dir=tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    revision = hub.RELEASES["gpt2"].revision
    for part in ("gpt2:", revision, "config.json and model.safetensors", "548 MB", "--model FOLDER"):
        assert part in message


def test_full_disk_while_downloading(server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: half of the weights in the cache after the disk filled up, taken for whole at the next start."""

    def full(url: str, file: BinaryIO, **options: object) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(InputError, match="No space left on device"):
        patch.setattr("huggingface_hub.file_download.http_get", full)
        hub.fetch("tiny", endpoint=server.url, cache_dir=tmp_path)
    assert_nothing_half_written(tmp_path)
    hub.fetch("tiny", endpoint=server.url, cache_dir=tmp_path)


def test_environment_is_honoured(server: HubServer, tmp_path: Path) -> None:
    """Bug: HF_HOME, HF_ENDPOINT or HF_HUB_OFFLINE ignored: a full home folder, a mirror never used."""
    script = (
        "import json, sys\n"
        "from ift_lib import hub\n"
        "from ift_lib.errors import InputError\n"
        "hub.RELEASES['tiny'] = hub.Release(**json.loads(sys.argv[1]))\n"
        "try:\n    print(hub.fetch('tiny'))\n"
        "except InputError as e:\n    print(e)\n"
    )
    release = json.dumps(TINY.__dict__)

    def fetch(home: Path, **env: str) -> str:
        home_only = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
        done = subprocess.run(
            [sys.executable, "-c", script, release],
            env={**home_only, "HF_HOME": str(home), "HF_ENDPOINT": server.url, **env},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    folder = fetch(tmp_path / "home")
    assert Path(folder).is_relative_to(tmp_path / "home")
    asked = len(server.requests)
    assert fetch(tmp_path / "home", HF_HUB_OFFLINE="1") == folder
    assert "offline mode is enabled" in fetch(tmp_path / "empty", HF_HUB_OFFLINE="1")
    assert len(server.requests) == asked


def test_releases_are_pinned() -> None:
    """Bug: a branch name or a shortened hash among the pins, so that what is downloaded can change."""
    for release in hub.RELEASES.values():
        assert re.fullmatch(r"[0-9a-f]{40}", release.revision)
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in release.sha256.values())
        assert list(release.sha256) == ["config.json", "model.safetensors"]


def test_config_pins_are_the_hash_of_the_known_file() -> None:
    """Bug: a mistyped hash, which would make a model unusable; the file's known text must hash to it."""
    common = {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.1,
        "bos_token_id": 50256,
        "embd_pdrop": 0.1,
        "eos_token_id": 50256,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2",
        "n_ctx": 1024,
        "n_positions": 1024,
        "resid_pdrop": 0.1,
        "summary_activation": None,
        "summary_first_dropout": 0.1,
        "summary_proj_to_labels": True,
        "summary_type": "cls_index",
        "summary_use_proj": True,
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
        "vocab_size": 50257,
    }
    shapes = {
        "gpt2": {"n_embd": 768, "n_head": 12, "n_layer": 12},
        "gpt2-medium": {
            "n_embd": 1024,
            "n_head": 16,
            "n_layer": 24,
            "n_special": 0,
            "predict_special_tokens": True,
        },
        "gpt2-large": {"n_embd": 1280, "n_head": 20, "n_layer": 36},
        "gpt2-xl": {"n_embd": 1600, "n_head": 25, "n_layer": 48, "output_past": True},
    }
    for name, shape in shapes.items():
        text = json.dumps(common | shape, indent=2, sort_keys=True)
        assert hashlib.sha256(text.encode()).hexdigest() == hub.RELEASES[name].sha256["config.json"]
