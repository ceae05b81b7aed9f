"""`ift compare`: the answers of several runs to the same test instructions, side by side.

The first run is the baseline. Each metric is compared answer by answer: the interval is that of the mean difference,
far narrower than those of the two means. With a judge, the win rate of AlpacaEval as well.

    OUT/compare.json                 every number
        outputs-N.json               the answers of each run, as AlpacaEval reads them
        verdicts-N.jsonl             what the judge said; the same command goes on where it stopped
        annotations-N.json           the comparisons, as AlpacaEval writes them
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from ift_lib.course.judge_command import add_how, make_judge, progress
from ift_lib.course.show import visible
from ift_lib.errors import InputError
from ift_lib.evaluation.alpaca_eval import (
    LETTERS,
    RANKING,
    alpaca_win_rate,
    average_length,
    compare_outputs,
)
from ift_lib.evaluation.alpaca_eval_files import Annotation, Output, save_annotations, save_outputs
from ift_lib.evaluation.alpaca_eval_lc import length_controlled
from ift_lib.evaluation.items import Item, load_items
from ift_lib.evaluation.judge import Judge, Verdict
from ift_lib.evaluation.metrics import bootstrap_interval, exact_match, rouge_l, token_f1
from ift_lib.files import write_text

PROTOCOLS = {"ranking": RANKING, "letters": LETTERS}
METRICS = {
    "exact match": lambda item: float(exact_match(item.response, item.output)),
    "token F1": lambda item: token_f1(item.response, item.output),
    "ROUGE-L": lambda item: rouge_l(item.response, item.output),
    "right by rule": lambda item: None if item.verified is None else float(item.verified),
    "characters": lambda item: float(len(item.response)),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of `ift compare`."""
    parser.description = "Metrics side by side with intervals of the difference; with --judge, AlpacaEval's win rates."
    parser.add_argument("baseline", metavar="RUN_A", help="folder of a finished run: the baseline")
    parser.add_argument("runs", metavar="RUN_B", nargs="+", help="folder of another run with the same test examples")
    parser.add_argument(
        "--judge",
        metavar="JUDGE",
        help="who says which answer is better: ollama:MODEL, openai:MODEL@URL or local:FOLDER",
    )
    parser.add_argument(
        "--protocol",
        choices=list(PROTOCOLS),
        default="ranking",
        help="AlpacaEval 1, a ranking in text, or 2, log-probabilities of one letter (default: ranking)",
    )
    parser.add_argument("--out", metavar="FOLDER", help="where the results go (default: compare, in the last RUN_B)")
    add_how(parser)
    parser.set_defaults(do=_compare)


def _compare(args: argparse.Namespace) -> None:
    names = [args.baseline, *args.runs]
    sets = [items[: args.limit] for items in in_common(names, [load_items(name) for name in names])]
    folder = Path(args.out) if args.out else Path(args.runs[-1]) / "compare"
    outputs = [outputs_of(items, name) for items, name in zip(sets, names, strict=True)]
    for number, answers in enumerate(outputs):
        save_outputs(answers, folder / f"outputs-{number}.json")
    numbers: dict[str, Any] = {"baseline": names[0], "answers": len(sets[0]), "runs": []}
    print(f"{len(sets[0])} answers each; the baseline is {names[0]}")
    judge = make_judge(args.judge, args.protocol) if args.judge else None
    for number, name in enumerate(names[1:], 1):
        found: dict[str, Any] = {"run": name, "metrics": compare_metrics(sets[0], sets[number])}
        print(f"\n{name}\n{metrics_table(found['metrics'])}")
        if judge is not None:
            annotations = _annotate(args, judge, outputs[0], outputs[number], folder / f"verdicts-{number}.jsonl")
            save_annotations(annotations, folder / f"annotations-{number}.json")
            found["alpaca_eval"] = _win_rates(annotations)
            found["alpaca_eval"] |= {"judge": args.judge, "avg_length": average_length(outputs[number])}
            print(_win_table(found["alpaca_eval"]))
        numbers["runs"].append(found)
    write_text(folder / "compare.json", json.dumps(numbers, indent=1, ensure_ascii=False) + "\n")
    print(f"\nthe numbers: {folder / 'compare.json'}")


def in_common(names: Sequence[str], sets: Sequence[Sequence[Item]]) -> list[list[Item]]:
    """The items of each run whose task and reference all runs have, in the first run's order; InputError for none.

    Runs with another seed or data file have other test examples: only what all have answered is compared.
    """
    by_task = [{(i.instruction, i.input, i.output): i for i in items} for items in sets]
    shared = [task for task in by_task[0] if all(task in items for items in by_task)]
    if not shared:
        raise InputError(f"{', '.join(names)}: have no test example in common; compare runs on the same data and seed")
    if len(shared) < max(map(len, sets)):
        print(f"{len(shared)} test examples are in all runs; only those are compared")
    return [[items[task] for task in shared] for items in by_task]


def outputs_of(items: Sequence[Item], name: str) -> list[Output]:
    """The answers in AlpacaEval's form, where an instruction holds its input."""
    return [Output(f"{i.instruction}\n\n{i.input}" if i.input else i.instruction, i.response, name) for i in items]


# --- metrics ---


def compare_metrics(baseline: Sequence[Item], model: Sequence[Item]) -> dict[str, dict[str, Any]]:
    """For each metric both means, their difference, its 95 % interval, and over how many answers."""
    found = {}
    for name, metric in METRICS.items():
        pairs = [(metric(a), metric(b)) for a, b in zip(baseline, model, strict=True)]
        known = [(a, b) for a, b in pairs if a is not None and b is not None]
        if known:
            gains = [b - a for a, b in known]
            low, high = bootstrap_interval(gains, seed=0)
            found[name] = {
                "baseline": fmean(a for a, _ in known),
                "run": fmean(b for _, b in known),
                "difference": fmean(gains),
                "interval": [low, high],
                "answers": len(known),
            }
    return found


def metrics_table(metrics: dict[str, dict[str, Any]]) -> str:
    """The numbers of `compare_metrics` as lines of text."""
    lines = [f"{'metric':14} {'baseline':>9} {'run':>9} {'difference':>11}   {'95% interval':19} {'answers':>7}"]
    for name, m in metrics.items():
        low, high = m["interval"]
        interval = f"{low:+8.3f} to {high:+8.3f}"
        lines.append(
            f"{name:14} {m['baseline']:9.3f} {m['run']:9.3f} {m['difference']:+11.3f}  {interval:20} {m['answers']:7}"
        )
    return "\n".join(lines)


# --- win rates ---


def _annotate(
    args: argparse.Namespace, judge: Judge, baseline: Sequence[Output], model: Sequence[Output], out: Path
) -> list[Annotation]:
    """Every pair judged, with a bar; says why the judge failed, if it did."""
    errors = []
    with progress(len(model), args.protocol) as bar:

        def tell(verdict: Verdict) -> None:
            bar.update()
            errors.extend([verdict.error] if verdict.error else [])

        annotations = compare_outputs(
            baseline,
            model,
            judge,
            PROTOCOLS[args.protocol],
            judge_name=args.judge,
            out=out,
            workers=args.workers,
            on_verdict=tell,
        )
    if errors:
        print(f"why the judge failed, the first time: {visible(errors[0])}")
    return annotations


def _win_rates(annotations: Sequence[Annotation]) -> dict[str, Any]:
    """AlpacaEval's numbers; NaN becomes None, and where length control fails, why."""
    numbers: dict[str, Any] = asdict(alpaca_win_rate(a.preference for a in annotations))
    numbers["without_verdict"] = sum(math.isnan(a.preference) for a in annotations)
    try:
        controlled = length_controlled(annotations)
        numbers |= {"length_controlled_winrate": controlled.win_rate, "lc_standard_error": controlled.standard_error}
    except InputError as e:
        numbers["length_controlled_winrate"] = None
        numbers["length_control_failed"] = str(e)
    return {name: None if isinstance(n, float) and math.isnan(n) else n for name, n in numbers.items()}


def _win_table(numbers: dict[str, Any]) -> str:
    """The same as lines of text."""

    def rate(name: str) -> str:
        return "not known" if numbers.get(name) is None else f"{numbers[name]:.1f} %"

    controlled = f"{rate('length_controlled_winrate')} (standard error {rate('lc_standard_error')})"
    return (
        f"win rate {rate('win_rate')} (standard error {rate('standard_error')}), by judge {numbers['judge']}: "
        f"{numbers['n_wins']} wins, {numbers['n_wins_base']} losses, {numbers['n_draws']} draws, "
        f"{numbers['without_verdict']} without a verdict, which do not count\n"
        f"at equal length: {numbers.get('length_control_failed') or controlled}"
    )
