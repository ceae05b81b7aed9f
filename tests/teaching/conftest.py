"""nbgrader and Chromium, for the tests of this folder: without them a skip on a person's machine, a failure in CI."""

from __future__ import annotations

import importlib.util
import os

import pytest


@pytest.fixture(scope="session", autouse=False)
def nbgrader() -> None:
    """For a test that needs the extra `teach`."""
    if importlib.util.find_spec("nbgrader") is None:
        assert not os.environ.get("CI"), "CI must have nbgrader"
        pytest.skip('nbgrader is not installed: pip install -e ".[teach]"')
