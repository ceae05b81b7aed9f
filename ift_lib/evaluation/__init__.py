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

__all__ = [
    "Interval",
    "bootstrap_interval",
    "exact_match",
    "normalize_squad",
    "normalize_triviaqa",
    "rouge_l",
    "token_f1",
    "wilson_interval",
]
