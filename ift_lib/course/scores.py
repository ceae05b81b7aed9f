"""How good the answers of a run are, by category: the picture, the table, and what the scores mean."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean

from ift_lib.course.markup import figure, number, percent, table
from ift_lib.course.run_folder import Answer
from ift_lib.course.show import inline
from ift_lib.evaluation.metrics import bootstrap_interval, token_f1, wilson_interval
from ift_lib.plots import FEW, Score, plot_scores

MOST_CATEGORIES = 40
"""More rows than this make no picture; the table holds them all."""


def scores_section(answers: Sequence[Answer]) -> str:
    """Scores per category, as a picture and a table, and what they mean."""
    groups = by_category(answers)
    ended = sum(a.ended for a in answers)
    cut = f"{ended:,} of {len(answers):,} answers ended by themselves"
    cut += "." if ended == len(answers) else "; the others were cut at the length limit."
    return f"<p>{cut}</p>{_score_picture(groups)}{_score_table(answers, groups)}{_MEANINGS}"


_MEANINGS = """<details><summary>What the scores mean</summary><ul>
<li><b>Exact match</b>: the share of answers that equal the reference, apart from case, punctuation, articles
and spaces. Many right answers do not.</li>
<li><b>Token F1</b>: the words an answer shares with the reference, 0 to 1, in any order (as in SQuAD).</li>
<li><b>ROUGE-L</b>: the words shared in the same order, 0 to 1.</li>
<li><b>Right by rule</b>: the share a program found right, for the kinds of task where one can tell. It is the
nearest to what a person would say.</li>
<li><b>95% interval</b>: how far the share could be off because these test questions, and not others, were
asked (Wilson). It does not cover training with another seed.</li></ul></details>"""


def _score_picture(groups: dict[str, list[Answer]]) -> str:
    """The share right by rule per category; without any rule, the mean token F1."""
    scores, name = {}, "right by rule"
    for category, group in groups.items():
        right, checked = right_by_rule(group)
        if checked:
            scores[category] = Score(right / checked, *wilson_interval(right, checked), checked)
    if not scores:
        name = "token F1"
        for category, group in groups.items():
            values = [a.token_f1 for a in group]
            scores[category] = Score(fmean(values), *bootstrap_interval(values, seed=0), len(values))
    sizes = Counter({category: score.n for category, score in scores.items()})
    shown = {category: scores[category] for category, _ in sizes.most_common(MOST_CATEGORIES)}
    note = f"{name.capitalize()} per category, with its 95% interval and the number of answers in brackets."
    if any(score.n < FEW for score in shown.values()):
        note += f" Hollow marks: fewer than {FEW} answers, too few to tell one category from another."
    if len(scores) > len(shown):
        note += f" The {len(shown)} largest of {len(scores):,} categories; the table has them all."
    return figure("scores", plot_scores(shown, name=name), plot_scores(shown, name=name, narrow=True), note)


def _score_table(answers: Sequence[Answer], groups: dict[str, list[Answer]]) -> str:
    """Every score of every category, and of all answers together."""
    has_before = f1_before(answers) is not None
    has_rule = right_by_rule(answers)[1] > 0
    columns = ["Category", "Answers", "Exact match"]
    columns += ["Token F1 before", "Token F1 after"] if has_before else ["Token F1"]
    columns += ["ROUGE\N{NON-BREAKING HYPHEN}L", *(["Right by rule", "95% interval"] if has_rule else [])]
    rows = []
    for name, group in [*((inline(c), g) for c, g in groups.items()), ("All", list(answers))]:
        count = f"{len(group):,}{'†' if len(group) < FEW else ''}"
        row = [name, count, percent(fmean(a.exact_match for a in group))]
        row += [number(f1_before(group), 2)] if has_before else []
        row += [f"{fmean(a.token_f1 for a in group):.2f}", f"{fmean(a.rouge_l for a in group):.2f}"]
        rows.append([*row, *(_rule_cells(group) if has_rule else [])])
    note = f'<p class="note">† Fewer than {FEW} answers: the scores mean little.</p>'
    few = any(len(group) < FEW for group in (answers, *groups.values()))
    return table("Scores of the test answers.", columns, rows, total=True) + (note if few else "")


def _rule_cells(group: Sequence[Answer]) -> list[str]:
    """k of n right, and the interval."""
    right, checked = right_by_rule(group)
    if not checked:
        return ["–", "–"]
    low, high = wilson_interval(right, checked)
    return [f"{percent(right / checked)} ({right:,}/{checked:,})", f"{percent(low)} to {percent(high)}"]


def by_category(answers: Iterable[Answer]) -> dict[str, list[Answer]]:
    """The answers of each category, in the order of the alphabet."""
    groups = defaultdict(list)
    for answer in answers:
        groups[category_of(answer)].append(answer)
    return dict(sorted(groups.items()))


def category_of(answer: Answer) -> str:
    """Its category, or the words for having none."""
    return answer.category or "no category"


def right_by_rule(answers: Iterable[Answer]) -> tuple[int, int]:
    """How many answers a rule found right, and how many it could check."""
    checked = [a.verified for a in answers if a.verified is not None]
    return sum(checked), len(checked)


def f1_before(answers: Iterable[Answer]) -> float | None:
    """Mean token F1 of the answers before fine-tuning; None if there are none."""
    scores = [token_f1(a.before, a.output) for a in answers if a.before is not None]
    return fmean(scores) if scores else None
