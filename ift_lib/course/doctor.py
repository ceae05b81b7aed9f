"""What a maintainer asks first: the machine, the versions, the files that should be there."""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path

import torch

ASSETS = Path(__file__).parent.parent / "assets"
PACKAGES = (
    "ift-lib",
    "torch",
    "tiktoken",
    "safetensors",
    "huggingface_hub",
    "numpy",
    "matplotlib",
    "ipykernel",
    "ipywidgets",
    "jupyterlab",
    "scikit-learn",
)
FILES = (
    "gpt2_bpe/encoder.json",
    "gpt2_bpe/vocab.bpe",
    "instructions.json",
    "pocket/config.json",
    "pocket/model.safetensors",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """`ift doctor` has none."""
    parser.set_defaults(do=lambda args: print(report()))


def report() -> str:
    """A plain text of facts, without names or addresses of the user."""
    return "\n".join(f"{name:<18}{value}" for name, value in [*_machine(), *_packages(), *_files()])


def _machine() -> list[tuple[str, str]]:
    device = "cuda: " + torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu only"
    device = "mps" if torch.backends.mps.is_available() else device
    disk = shutil.disk_usage(".")
    return [
        (
            "python",
            f"{platform.python_version()} ({platform.python_implementation()}, {sys.maxsize.bit_length() + 1} bit)",
        ),
        ("system", platform.platform()),
        ("accelerator", device),
        ("runs in", _place()),
        (
            "memory",
            f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.1f} GB" if os.name == "posix" else "?",
        ),
        ("cores, threads", f"{os.cpu_count()}, {torch.get_num_threads()} used by torch"),
        ("cpu instructions", torch.backends.cpu.get_cpu_capability()),
        ("disk", f"{disk.free / 1e9:.0f} GB free of {disk.total / 1e9:.0f}"),
        (
            "this folder",
            "writable" if os.access(".", os.W_OK) else "NOT writable: run from a folder of your own",
        ),
        (
            "offline switches",
            ", ".join(n for n in ("HF_HUB_OFFLINE", "HF_ENDPOINT", "HF_HOME") if n in os.environ) or "none",
        ),
    ]


def _place() -> str:
    """Where a learner opened the course; on Colab and Binder help differs from that on one's own machine."""
    if "COLAB_RELEASE_TAG" in os.environ or "google.colab" in sys.modules:
        return "Google Colab"
    if "BINDER_SERVICE_HOST" in os.environ:
        return "Binder"
    return (
        "a virtual environment"
        if sys.prefix != sys.base_prefix
        else "the Python of the system, of conda or of a container"
    )


def _packages() -> list[tuple[str, str]]:
    found = {d.metadata["Name"].lower().replace("-", "_"): d.version for d in metadata.distributions()}
    return [(name, found.get(name.lower().replace("-", "_"), "not installed")) for name in PACKAGES]


def _files() -> list[tuple[str, str]]:
    return [(Path(name).name, _describe(ASSETS / name)) for name in FILES]


def _describe(path: Path) -> str:
    """Size and the start of the SHA-256, to compare with another machine's."""
    if not path.exists():
        return "MISSING: install the package again"
    return f"{path.stat().st_size:,} bytes, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
