"""What the tests of the exercises share: a type, and how a check is asked what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ift_lib.course.checks.feedback import Wrong

Say = Callable[[Callable[..., None], Any], str]
"""The fixture `say`: a check and an answer, to what the check prints."""


def complaint(check: Any, answer: Any) -> str:
    """What a check says to a wrong answer."""
    with pytest.raises(Wrong) as wrong:
        check.__wrapped__(answer)
    return str(wrong.value)
