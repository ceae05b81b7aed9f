"""How good is it? Scores against references, and how sure one may be of them."""

from ift_lib.evaluation.metrics import (
    Interval,
    bootstrap_interval,
    exact_match,
    normalize_squad,
    normalize_triviaqa,
    rouge_l,
    token_f1,
    wilson_interval,
)
from ift_lib.evaluation.verify import VERIFIABLE, verify

__all__ = [
    "VERIFIABLE",
    "Interval",
    "bootstrap_interval",
    "exact_match",
    "normalize_squad",
    "normalize_triviaqa",
    "rouge_l",
    "token_f1",
    "verify",
    "wilson_interval",
]
