"""Packages that only some tests need: without one a person's test is skipped, while CI, which has them all, fails."""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest


def need(name: str) -> Any:
    """The package, or a skip of the whole test file."""
    try:
        return importlib.import_module(name)
    except ImportError:
        assert not os.environ.get("CI"), f"CI must have {name}"
        pytest.skip(f"{name} is not installed", allow_module_level=True)
