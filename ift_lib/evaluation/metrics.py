"""Scores of one answer against one reference, and intervals that say how sure an average of them is.

    reference  "The cat sat on a mat."   normalize_squad   cat sat on mat    exact match 0
    answer     "A mat, the cat sat on"        ->           mat cat sat on    token F1    1.0  (words shared)
                                                                             ROUGE-L     0.67 (in order)

Each benchmark normalises in its own way, and a score is only comparable under the one it was defined with.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

Normalize = Callable[[str], str]


# --- normalisers ---

_ARTICLE = re.compile(r"\b(a|an|the)\b")
_DELETE_MARKS = str.maketrans("", "", string.punctuation)
_MARKS_TO_SPACES = {ord(mark): " " for mark in string.punctuation + "‘’´`"}


def normalize_squad(text: str) -> str:
    """Lower case, no ASCII punctuation, no articles, single spaces: as SQuAD 1.1 and 2.0.

    Marks are deleted without leaving a space, and only then are whole-word articles removed. Curly quotes,
    dashes and accents stay, nothing is Unicode-normalised, and an answer that is just "A" becomes empty.
    ReCoRD, HELM and OpenAI Evals normalise in the same way.
    Source: `normalize_answer` of SQuAD's `evaluate-v1.1.py`.

    >>> normalize_squad("The well-known  U.S. answer, a classic!")
    'wellknown us answer classic'
    """
    text = text.lower().translate(_DELETE_MARKS)
    return " ".join(_ARTICLE.sub(" ", text).split())


def normalize_triviaqa(text: str) -> str:
    """Lower case, punctuation (with ‘ ’ ´ `) to spaces, no articles, single spaces: as TriviaQA.

    Unlike SQuAD's, a mark becomes a space: "well-known" is two words, and an article beside a mark goes.
    Source: `normalize_answer` of TriviaQA's `triviaqa_evaluation.py`.

    >>> normalize_triviaqa("The well-known  U.S. answer, a classic!")
    'well known u s answer classic'
    """
    text = text.lower().translate(_MARKS_TO_SPACES)
    return " ".join(_ARTICLE.sub(" ", text).split())


# --- scores of one answer ---


def exact_match(answer: str, reference: str, normalize: Normalize = normalize_squad) -> int:
    """1 when answer and reference are the same after normalising, else 0.

    >>> exact_match("The answer is: 45,000 meters.", "answer is 45000 meters")
    1
    """
    return int(normalize(answer) == normalize(reference))


def token_f1(answer: str, reference: str, normalize: Normalize = normalize_squad) -> float:
    """The words shared, as the harmonic mean of precision and recall; 0 to 1, order ignored.

    Words count as often as they occur (multisets): repeating a right word does not help. Two texts that both
    normalise to nothing share no word and score 0, as in SQuAD 1.1 and TriviaQA (SQuAD 2.0 gives them 1).

    >>> token_f1("cat cat cat", "the black cat")  # 1 of 3 words right, 1 of 2 found
    0.4
    """
    answer_words, reference_words = normalize(answer).split(), normalize(reference).split()
    shared = (Counter(answer_words) & Counter(reference_words)).total()
    return _harmonic_mean(shared, len(answer_words), len(reference_words))


def rouge_l(answer: str, reference: str) -> float:
    """The words shared in the same order, as an F-measure; 0 to 1.

    Words are runs of a–z and 0–9 in lower case, so a text in another script has none and scores 0. Equal to
    `rouge_score`'s `rougeL` without stemming.
    Source: Lin, "ROUGE: A Package for Automatic Evaluation of Summaries" (2004).

    >>> rouge_l("A mat, the cat sat on", "The cat sat on a mat.")  # "the cat sat on": 4 of 6
    0.6666666666666666
    """
    answer_words, reference_words = (re.findall("[a-z0-9]+", text.lower()) for text in (answer, reference))
    shared = _common_subsequence(answer_words, reference_words)
    return _harmonic_mean(shared, len(answer_words), len(reference_words))


def _common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """The length of the longest common subsequence: words of both in the same order, gaps allowed."""
    # longest[j]: the answer for the words of `a` read so far and the first j words of `b`.
    longest = [0] * (len(b) + 1)
    for word in a:
        previous = longest.copy()
        for j, other in enumerate(b):
            longest[j + 1] = previous[j] + 1 if word == other else max(previous[j + 1], longest[j])
    return longest[-1]


def _harmonic_mean(shared: int, answer_size: int, reference_size: int) -> float:
    """F1 of precision shared/answer_size and recall shared/reference_size."""
    if shared == 0:
        return 0.0
    precision, recall = shared / answer_size, shared / reference_size
    return 2 * precision * recall / (precision + recall)


# --- many answers at once ---


def accuracy(answers: Sequence[Any], references: Sequence[Any]) -> float:
    """The share of answers that equal their reference, 0 to 1. Raises ValueError for none, or for unequal numbers.

    >>> accuracy(["A", "C", "B", "B"], ["A", "B", "B", "B"])
    0.75
    """
    if len(answers) != len(references) or not answers:
        raise ValueError(f"{len(answers)} answers, {len(references)} references: need as many of each, at least one")
    return sum(a == r for a, r in zip(answers, references, strict=True)) / len(answers)


def calibration_error(confidences: Sequence[float], correct: Sequence[bool], bins: int = 10) -> float:
    """How far confidence and accuracy lie apart: ECE with bins of equal width, 0 (calibrated) to 1.

        confidence   0 … 0.1   0.1 … 0.2   …   0.9 … 1        ECE = sum of share of bin * |accuracy - mean confidence|

    A bin holds its lower edge, not its upper one; the last holds 1 too. Needs some hundred answers to mean anything.
    Raises ValueError for no answers, unequal numbers, or a confidence outside 0 to 1.
    Source: Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (2015).

    >>> round(calibration_error([0.95, 0.95, 0.55, 0.55], [True, True, True, False]), 3)
    0.05
    """
    p, right = np.asarray(confidences, dtype=float), np.asarray(correct, dtype=float)
    if len(p) != len(right) or len(p) == 0:
        raise ValueError(f"{len(p)} confidences, {len(right)} answers: need as many of each, at least one")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("a confidence outside 0 to 1: give probabilities, not percents or logits")
    bin_of = np.searchsorted(np.arange(1, bins) / bins, p, side="right")
    return float(sum(abs((right - p)[bin_of == b].sum()) for b in range(bins)) / len(p))


# --- how sure ---


class Interval(NamedTuple):
    """The range a repeated measurement would agree with, at the confidence asked for."""

    low: float
    high: float


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """The interval of a share, `successes` of `n`: honest for small n and near 0 and 1, unlike p ± 1.96·se.

    It assumes independent trials. Raises ValueError unless 0 ≤ successes ≤ n and n ≥ 1.
    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927).

    >>> [round(end, 3) for end in wilson_interval(9, 10)]
    [0.596, 0.982]
    """
    if not (n >= 1 and 0 <= successes <= n):
        raise ValueError(f"successes={successes}, n={n}: need at least one trial, and no more successes than trials")
    z = NormalDist().inv_cdf((1 + _checked(confidence)) / 2)
    p = successes / n
    center = (p + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At no success the lower end is 0 in exact arithmetic, and at nothing but successes the upper end is 1.
    return Interval(center - reach if successes else 0.0, center + reach if successes < n else 1.0)


def clopper_pearson_interval(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """The exact interval of a share: the true share that would give so many, or so few, too rarely lies outside.

    Wider than Wilson's, and never less sure than it says. Raises ValueError unless 0 ≤ successes ≤ n and n ≥ 1.
    Source: Clopper and Pearson, "The Use of Confidence or Fiducial Limits" (1934).

    >>> [round(end, 3) for end in clopper_pearson_interval(9, 10)]
    [0.555, 0.997]
    """
    if not (n >= 1 and 0 <= successes <= n):
        raise ValueError(f"successes={successes}, n={n}: need at least one trial, and no more successes than trials")
    tail = (1 - _checked(confidence)) / 2

    def at_least(k: int, p: float) -> float:
        """The chance of k successes or more."""
        return math.fsum(
            math.exp(_log_choose(n, i) + i * math.log(p) + (n - i) * math.log1p(-p)) for i in range(k, n + 1)
        )

    def solve(k: int, wanted: float) -> float:
        """The share at which that chance, which rises with it, is `wanted`."""
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if at_least(k, middle) < wanted else (low, middle)
        return low

    return Interval(
        solve(successes, tail) if successes else 0.0, solve(successes + 1, 1 - tail) if successes < n else 1.0
    )


def _log_choose(n: int, k: int) -> float:
    """The logarithm of the number of ways to choose k of n."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def paired_difference_interval(won: int, lost: int, n: int, confidence: float = 0.95) -> Interval:
    """The interval of the difference of two shares that were measured on the same n items.

    `won` items only the second has right, `lost` only the first; where both agree, nothing is learned about which is
    better. Were they equally good, each of the won + lost would be a fair coin. So the share of wins among them gets
    the exact interval [a, b], and the difference lies in (won + lost) / n * [2a - 1, 2b - 1]. It excludes 0 exactly
    when McNemar's exact test does. It takes the number of items where they differ as given.

    Raises ValueError for counts below 0, or more of them than items.
    Source: McNemar, "Note on the Sampling Error of the Difference Between Correlated Proportions" (1947).

    >>> [round(end, 2) for end in paired_difference_interval(9, 1, 100)]
    [0.01, 0.1]
    """
    if won < 0 or lost < 0 or not 1 <= n or won + lost > n:
        raise ValueError(f"won={won}, lost={lost}, n={n}: counts of different items among n, n at least 1")
    differ = won + lost
    if not differ:
        return Interval(0.0, 0.0)
    low, high = clopper_pearson_interval(won, differ, confidence)
    return Interval(differ / n * (2 * low - 1), differ / n * (2 * high - 1))


def bootstrap_interval(
    values: Sequence[float],
    seed: int,
    *,
    statistic: Callable[[np.ndarray], Any] = np.mean,
    confidence: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """The interval of a statistic of `values` (their mean) by drawing as many again, often, with replacement.

    The percentile bootstrap (Efron 1979): the ends are percentiles of the statistic over the resamples. A
    little narrow for few values; without width, so of no use, for one value or equal ones.
    Raises ValueError when there are no values.

    >>> [round(end, 2) for end in bootstrap_interval([0.0, 0.5, 0.5, 1.0, 1.0], seed=1)]
    [0.3, 0.9]
    """
    if len(values) == 0:
        raise ValueError("no values: the interval of nothing is not known")
    if resamples < 1:
        raise ValueError(f"resamples={resamples}: must be at least 1")
    array, rng = np.asarray(values, dtype=float), np.random.default_rng(seed)
    tail = (1 - _checked(confidence)) / 2
    drawn = [statistic(rng.choice(array, size=len(array))) for _ in range(resamples)]
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(float(low), float(high))


def _checked(confidence: float) -> float:
    """The confidence, if it is one."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence}: must lie between 0 and 1, such as 0.95")
    return confidence
