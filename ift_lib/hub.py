"""OpenAI's weights from the Hugging Face hub: one revision, checked bytes, one clear error without a network.

Pinned below: the revision (a git commit) and the SHA-256 of both files of each model. A file with other bytes
is never used, whoever served it. Not pinned: a folder that you place by hand; it is read as it is.

`huggingface_hub` downloads into its own cache, so HF_HOME, HF_ENDPOINT and HF_HUB_OFFLINE do what its manual
says. It resumes a connection that breaks. What has arrived whole is kept; whether half a file survives a
killed process depends on its version (2.x starts that file anew).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub

from ift_lib.errors import InputError

TIMEOUT = 10.0
"""Seconds to wait for the hub's first answer."""


@dataclass(frozen=True)
class Release:
    """One model on the hub, down to its bytes."""

    repo: str
    """Owner and name."""
    revision: str
    """The git commit."""
    size: str
    """What there is to download, for a reader."""
    sha256: Mapping[str, str]
    """File name -> SHA-256 of its bytes, in hexadecimal."""


# Where they come from: public projects that recorded what they had downloaded, at least two for each model.
# The config hashes are proven besides: each file, written anew from its known fields, hashes to the same.
RELEASES = {
    "gpt2": Release(
        "openai-community/gpt2",
        "607a30d783dfa663caf39e06633721c8d4cfcd7e",
        "548 MB",
        {
            "config.json": "0daed7749b4f02b8f76240d5444551d7b08712dab4d0adb8239c56ba823bb7b4",
            "model.safetensors": "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
        },
    ),
    "gpt2-medium": Release(
        "openai-community/gpt2-medium",
        "6dcaa7a952f72f9298047fd5137cd6e4f05f41da",
        "1.5 GB",
        {
            "config.json": "ef1a44d889ad1a0acc7731c78134f1b87d2d222f110e97dd10fd4117331caf22",
            "model.safetensors": "fc5a354a19255ad494f3d71549390baca1ccf61d1d822b9408971705c687c9cd",
        },
    ),
    "gpt2-large": Release(
        "openai-community/gpt2-large",
        "32b71b12589c2f8d625668d2335a01cac3249519",
        "3.2 GB",
        {
            "config.json": "7fccdcfd6622055342a734c663ee0b61ff4fd697f42467595df0bf4448c8c170",
            "model.safetensors": "5f47f3e12f91cd33b662ce7e433b6150ad5512b5884a2cee961b50e9c3bbebce",
        },
    ),
    "gpt2-xl": Release(
        "openai-community/gpt2-xl",
        "15ea56dee5df4983c59b2538573817e1667135e2",
        "6.4 GB",
        {
            "config.json": "be48115d52314bc27327e160bf10197760db02ea689d10adb24db4102edf7a8a",
            "model.safetensors": "0f8b28eb05a8075f48b61b6f35332978c74fc7763fa9fb4051a1c30511736a6a",
        },
    ),
}
"""The names that `load_pretrained` downloads."""


def fetch(name: str, *, cache_dir: str | Path | None = None, endpoint: str | None = None) -> Path:
    """The folder that holds the checked files of `name`, a key of `RELEASES`; what is missing is downloaded.

    The hashes are computed at every call (about a second a gigabyte), so damage on the disk is found too.
    `cache_dir` and `endpoint` default to huggingface_hub's own.

    Raises InputError when the hub cannot be reached, or when a file is not the pinned one, which is removed.
    """
    release = RELEASES[name]
    paths = [_download(name, file, cache_dir, endpoint) for file in release.sha256]
    for path, expected in zip(paths, release.sha256.values(), strict=True):
        found = _sha256(path)
        if found != expected:
            _remove(path)
            raise InputError(
                f"{name}: {path.name} has SHA-256 {found[:16]}… instead of {expected[:16]}…: damaged, or "
                "changed on the way by a proxy or mirror; it was removed, run again to download it anew"
            )
    return paths[0].parent


def _download(name: str, file: str, cache_dir: str | Path | None, endpoint: str | None) -> Path:
    """The path of one file in the cache."""
    repo, revision = RELEASES[name].repo, RELEASES[name].revision
    try:
        cached = huggingface_hub.hf_hub_download(
            repo, file, revision=revision, cache_dir=cache_dir, local_files_only=True
        )
        return Path(cached)
    except FileNotFoundError:
        pass
    try:
        # One quick question first: where there is no network, hf_hub_download would try again for minutes.
        url = huggingface_hub.hf_hub_url(repo, file, revision=revision, endpoint=endpoint)
        huggingface_hub.get_hf_file_metadata(url, timeout=TIMEOUT)
        return Path(
            huggingface_hub.hf_hub_download(
                repo, file, revision=revision, cache_dir=cache_dir, endpoint=endpoint, etag_timeout=TIMEOUT
            )
        )
    except Exception as e:  # what it raises (requests, httpx, its own, OSError) changed with each of its versions
        raise InputError(_by_hand(name, file, e)) from e


def _by_hand(name: str, file: str, error: Exception) -> str:
    """What went wrong, and how to do without the network."""
    release = RELEASES[name]
    cause = (str(error).splitlines() or [""])[0][:200]
    return (
        f"{name}: could not download {file} from {release.repo} on the Hugging Face hub "
        f"({type(error).__name__}: {cause}). Try again with a network, or place the files by hand: open "
        f"https://huggingface.co/{release.repo}/tree/{release.revision} on any machine, save "
        f"{' and '.join(release.sha256)} ({release.size}) into one folder, bring it here, and name it as the "
        "model: --model FOLDER"
    )


def _sha256(path: Path) -> str:
    """The SHA-256 of a file of any size."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _remove(path: Path) -> None:
    """Delete a file of the cache: the name there is often a link to the bytes, and both must go."""
    target = path.resolve()
    path.unlink()
    target.unlink(missing_ok=True)
