"""Does pretraining plus fine-tuning work? The table of the data card, recomputed.

    python tools/compare_pocket.py                  # about 15 minutes on two cores; writes the two files below

Four ways to answer the 290 test instructions of the embedded data set, each scored by the same rules:

    pretrained    the pocket model as it comes, not fine-tuned                 greedy: no seed
    nearest       copy the output of the nearest training entry (TF-IDF)       no seed
    random        fine-tuned from random weights, at a rate that suits them    three seeds
    fine-tuned    the pocket model fine-tuned, default settings                three seeds

A seed decides the order of the training examples, dropout and, for `random`, the weights; the split is always the
default one. Writes ift_lib/assets/comparison.json (every score, every answer's verdict, device and date) and the table
between the two `comparison` marks of ift_lib/assets/DATASET.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from statistics import fmean

import torch
from scipy import stats
from sklearn.feature_extraction.text import TfidfVectorizer

from ift_lib.batching import in_order
from ift_lib.data import Example
from ift_lib.evaluation.metrics import token_f1, wilson_interval
from ift_lib.evaluation.verify import verify
from ift_lib.files import write_text
from ift_lib.generation import respond
from ift_lib.model import GPT, SIZES
from ift_lib.preparing import Prepared
from ift_lib.run import prepare
from ift_lib.run_config import RunConfig
from ift_lib.templates import TEMPLATES
from ift_lib.training import evaluate, train
from ift_lib.weights import load_pretrained

ASSETS = Path(__file__).resolve().parents[1] / "ift_lib" / "assets"
MARKS = ("<!-- comparison: written by tools/compare_pocket.py -->", "<!-- end of comparison -->")
SCRATCH_LR = 1e-3
"""Random weights learn too little at the default rate, which is meant for pretrained ones."""
TITLES = {
    "pretrained": "pocket, not fine-tuned",
    "random": "random weights, fine-tuned",
    "nearest": "nearest training answer",
    "fine-tuned": "pocket, fine-tuned",
}


def nearest_answers(training: Sequence[Example], test: Sequence[Example]) -> list[str]:
    """For each test example the output of the training example whose instruction and input are nearest (cosine)."""
    vectoriser = TfidfVectorizer(token_pattern=r"\w+")
    asked = vectoriser.fit_transform(f"{e.instruction} {e.input}" for e in training)
    wanted = vectoriser.transform(f"{e.instruction} {e.input}" for e in test)
    return [training[i].output for i in (wanted @ asked.T).toarray().argmax(axis=1)]


def judge(test: Sequence[Example], answers: Sequence[str]) -> dict:
    """The verdict of the rules on each answer (None: no rule), and the mean token F1."""
    return {
        "verified": [verify(e, answer) for e, answer in zip(test, answers, strict=True)],
        "token_f1": fmean(token_f1(answer, e.output) for e, answer in zip(test, answers, strict=True)),
        "answers": list(answers),
    }


def run_model(model: GPT, data: Prepared, config: RunConfig, *, fine_tune: bool) -> dict:
    """Fine-tune if wanted, answer the test split, judge. `best` is the lowest validation loss, which is kept."""
    started = time.perf_counter()
    training, validation = data.pick(data.split.train), data.pick(data.split.validation)
    facts = {}
    if fine_tune:
        history = train(model, training, validation, config.train)
        facts = {
            "validation": [round(p.loss, 4) for p in history.validation],
            "train_seconds": round(time.perf_counter() - started, 1),
        }
    loss = evaluate(model, in_order(validation, 16, mask_prompt=config.train.mask_prompt)).mean
    test = [data.examples[i] for i in data.split.test]
    limit = config.max_new_tokens if fine_tune else 40  # the untrained model hardly ever ends by itself
    responses = respond(model, test, TEMPLATES[config.template], max_new_tokens=limit)
    answers = judge(test, [r.text for r in responses])
    ended = sum(r.ended for r in responses)
    return {"seed": config.train.seed, "validation_loss": loss, "ended": ended} | facts | answers


def compare(config: RunConfig, seeds: Sequence[int]) -> dict:
    """All four, as one JSON object."""
    data = prepare(config, SIZES["pocket"].n_positions)
    training, test = ([data.examples[i] for i in part] for part in (data.split.train, data.split.test))
    systems: dict[str, list[dict]] = defaultdict(list)
    systems["pretrained"].append(run_model(load_pretrained("pocket"), data, config, fine_tune=False))
    systems["nearest"].append(judge(test, nearest_answers(training, test)))
    for seed in seeds:
        seeded = replace(config, train=replace(config.train, seed=seed))
        scratch = replace(seeded, train=replace(seeded.train, lr=SCRATCH_LR))
        untrained = GPT(SIZES["pocket"]).init_weights(torch.Generator().manual_seed(seed))
        for name, model, settings in (
            ("fine-tuned", load_pretrained("pocket"), seeded),
            ("random", untrained, scratch),
        ):
            systems[name].append(run_model(model, data, settings, fine_tune=True))
            verified = [v for v in systems[name][-1]["verified"] if v is not None]
            print(f"{name}, seed {seed}: {sum(verified)} of {len(verified)} right", flush=True)
    return {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "config": asdict(config),
        "test": [asdict(e) for e in test],
        "systems": systems,
    }


# --- the table ---


def share(runs: Sequence[dict], categories: Sequence[str], category: str | None) -> list[float]:
    """Right answers in per cent of those a rule can check, one number a run; of one category, or of all."""
    shares = []
    for run in runs:
        pairs = zip(run["verified"], categories, strict=True)
        verdicts = [v for v, c in pairs if v is not None and category in (None, c)]
        shares.append(100 * sum(verdicts) / len(verdicts))
    return shares


def interval(values: Sequence[float], digits: int) -> str:
    """`mean ± half width` of the 95 % interval over seeds (Student's t); just the number if there is one run."""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{fmean(values):.{digits}f} ± {half:.{digits}f}"


def spread(values: Sequence[float]) -> str:
    """`mean (lowest to highest)`: with three runs of ten questions an interval would promise too much."""
    if len(values) == 1:
        return f"{values[0]:.0f}"
    return f"{fmean(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def table(result: dict) -> str:
    """The Markdown between the marks."""
    systems, categories = result["systems"], [e["category"] for e in result["test"]]
    checked = sorted({c for c, v in zip(categories, systems["nearest"][0]["verified"], strict=True) if v is not None})
    n = sum(v is not None for v in systems["nearest"][0]["verified"])
    lines = [f"| | answers | {' | '.join(TITLES.values())} |", "|---|---:|" + "---:|" * len(TITLES)]
    losses = [
        interval([r["validation_loss"] for r in systems[s]], 3) if "validation_loss" in systems[s][0] else "–"
        for s in TITLES
    ]
    lines.append(f"| validation loss (nats per token) | | {' | '.join(losses)} |")
    f1 = [interval([r["token_f1"] for r in systems[s]], 2) for s in TITLES]
    lines.append(f"| token F1 | {len(categories)} | {' | '.join(f1)} |")
    right = [interval(share(systems[s], categories, None), 1) for s in TITLES]
    lines.append(f"| **right by rule, %** | {n} | {' | '.join(right)} |")
    for category in checked:
        cells = [spread(share(systems[s], categories, category)) for s in TITLES]
        lines.append(f"| `{category}` | {categories.count(category)} | {' | '.join(cells)} |")
    ours = share(systems["fine-tuned"], categories, None)
    low, high = wilson_interval(round(fmean(ours) * n / 100), n)
    seeds = ", ".join(str(r["seed"]) for r in systems["fine-tuned"])
    note = (
        f"Totals: mean ± 95 % interval over seeds {seeds} (Student's t). Categories: mean (lowest to"
        f"\nhighest seed). One run of {n} checkable answers is itself uncertain: Wilson's interval about ours is"
        f" {100 * low:.0f} to {100 * high:.0f} %.\n{result['machine']}, {result['date']}."
    )
    return "\n".join([*lines, "", note])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[123, 124, 125])
    args = parser.parse_args()
    result = compare(RunConfig(), args.seeds)
    write_text(ASSETS / "comparison.json", json.dumps(result, ensure_ascii=False, separators=(",", ":")) + "\n")
    card = (ASSETS / "DATASET.md").read_text(encoding="utf-8")
    before, rest = card.split(MARKS[0])
    write_text(ASSETS / "DATASET.md", f"{before}{MARKS[0]}\n{table(result)}\n{MARKS[1]}{rest.split(MARKS[1])[1]}")
    print(table(result))


if __name__ == "__main__":
    main()
