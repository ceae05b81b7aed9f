"""`ift evaluate`: benchmarks on a model, or on a run's model before and after fine-tuning, side by side.

ift evaluate --list
ift evaluate mmlu pocket                      a name, or a folder of weights
ift evaluate all runs/1                       the base model and the fine-tuned one
ift evaluate mmlu gpt2 --data hendrycks/data  the official files instead of our sample

runs/1/evaluation/before/mmlu.json            for a run: scores and every answer
evaluations/pocket/mmlu.json                  for any other model
…/mmlu.jsonl                                  the answers so far; the same command goes on after a stop
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ift_lib.course.benchmark_table import benchmark_table
from ift_lib.errors import InputError
from ift_lib.evaluation import benchmarks
from ift_lib.evaluation.benchmark_run import run_benchmark
from ift_lib.evaluation.language_models import GPTLanguageModel, WithTemplate, fingerprint
from ift_lib.evaluation.tasks import Benchmark, LanguageModel, Result
from ift_lib.hardware import choose_device
from ift_lib.hub import RELEASES
from ift_lib.templates import TEMPLATES, Template
from ift_lib.weights import load_pretrained

MODELS = ("pocket", *RELEASES)
"""Names that win over folders that are called the same, as for `load_pretrained`."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of `ift evaluate`."""
    parser.description = "Put benchmarks to a model. Stopped, the same command goes on where it was."
    parser.add_argument("benchmark", nargs="?", help="a name that --list shows, or all")
    parser.add_argument(
        "model", nargs="?", metavar="MODEL_OR_RUN", help="a model's name, its folder, or a run's folder"
    )
    parser.add_argument("--list", action="store_true", help="show the benchmarks and what they ask")
    what = parser.add_argument_group("what")
    what.add_argument("--data", metavar="PATH", help="the official files of the benchmark (default: our own sample)")
    what.add_argument("--limit", type=_above_0, metavar="N", help="only the first N questions of each subject or task")
    what.add_argument("--shots", type=_at_least_0, metavar="N", help="solved examples before each question")
    what.add_argument("--plain", action="store_true", help="ask the fine-tuned model without its template")
    what.add_argument("--allow-code-execution", action="store_true", help="let the code run that the model writes")
    how = parser.add_argument_group("how")
    how.add_argument("--seed", type=int, default=123, help="for answers that are sampled (default: 123)")
    how.add_argument("--device", default="auto", help="cpu, cuda, mps, or auto for the best there is (default: auto)")
    how.add_argument(
        "--out", metavar="FOLDER", help="for scores and answers (default: in the run, or evaluations/MODEL)"
    )
    parser.set_defaults(do=_evaluate)


def _above_0(text: str) -> int:
    return _at_least(1, text)


def _at_least_0(text: str) -> int:
    return _at_least(0, text)


def _at_least(lowest: int, text: str) -> int:
    if int(text) < lowest:
        raise argparse.ArgumentTypeError(f"{text}: must be at least {lowest}")
    return int(text)


def _evaluate(args: argparse.Namespace) -> None:
    if args.list:
        print(list_benchmarks())
        return
    if not args.benchmark or not args.model:
        raise InputError("name a benchmark, or all, and a model: ift evaluate mmlu pocket; see ift evaluate --list")
    everything = args.benchmark == "all"
    if everything and (args.data or args.shots is not None):
        raise InputError("--data and --shots belong to one benchmark: name it instead of all")
    chosen = _permitted(benchmarks.NAMES if everything else [args.benchmark], args.allow_code_execution, everything)
    device = choose_device(args.device)
    subjects = find_subjects(args.model, args.out, plain=args.plain)
    results = {subject.label: _ask_subject(subject, chosen, device, args) for subject in subjects}
    print(benchmark_table(results, groups=not everything))
    print(f"every answer: {', '.join(str(subject.out) for subject in subjects)}")


def list_benchmarks() -> str:
    """Every benchmark by its name, and what it asks."""
    opened = [benchmarks.open_benchmark(name) for name in benchmarks.NAMES]
    return "\n".join(f"{b.name:{max(map(len, benchmarks.NAMES))}}  {b.title}: {b.about}" for b in opened)


# --- which benchmarks ---


def _permitted(names: Sequence[str], allow_code_execution: bool, everything: bool) -> list[Benchmark]:
    """The benchmarks that may run; one that was asked for by name and may not is an InputError."""
    chosen = []
    for name in names:
        benchmark = _set(benchmarks.open_benchmark(name), allow_code_execution=allow_code_execution)
        try:
            getattr(benchmark, "check_permission", lambda: None)()
            chosen.append(benchmark)
        except InputError as e:
            if not everything:
                raise
            print(f"left out: {e}")
    return chosen


def _set(benchmark: Benchmark, **values: Any) -> Benchmark:
    """The benchmark with those of these fields that it has."""
    if not is_dataclass(benchmark) or isinstance(benchmark, type):
        return benchmark
    names = {field.name for field in fields(benchmark)}
    return replace(benchmark, **{name: value for name, value in values.items() if name in names})


# --- which models ---


@dataclass(frozen=True)
class Subject:
    """A model to be asked."""

    label: str
    """How the table calls it."""
    weights: str
    """What `load_pretrained` takes."""
    out: Path
    """The folder for its scores and answers."""
    template: Template | None = None
    """What its texts are asked in; None for plain."""


def find_subjects(name: str, out: str | None = None, *, plain: bool = False) -> list[Subject]:
    """The model of that name or folder; for the folder of a run, its base model and the fine-tuned one.

    Raises InputError for a run that is not finished.
    """
    folder = Path(name)
    if name in MODELS or not (folder / "split.json").exists():
        return [Subject(name, name, Path(out or Path("evaluations") / folder.name))]
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        base, template = config["model"], TEMPLATES[config["template"]]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise InputError(f"{folder}: no finished run ({e}); name the folder that `ift run` printed") from e
    if not (folder / "model").is_dir():
        raise InputError(f"{folder}: this run is not finished; go on with: ift run --resume {folder}")
    root = Path(out or folder / "evaluation")
    return [
        Subject(f"{base} before", base, root / "before"),
        Subject(f"{name} after", str(folder / "model"), root / "after", None if plain else template),
    ]


def _ask_subject(
    subject: Subject, chosen: Sequence[Benchmark], device: torch.device, args: argparse.Namespace
) -> list[Result]:
    """What each benchmark says of this model. One model is in memory at a time."""
    gpt = load_pretrained(subject.weights, device=device)
    model: LanguageModel = GPTLanguageModel(gpt)
    name = f"weights {fingerprint(gpt)}"
    if subject.template:
        model, name = WithTemplate(model, subject.template), f"{name}, template {subject.template.name}"
    results = []
    for benchmark in chosen:
        with tqdm(unit="question", desc=f"{subject.label}: {benchmark.name}", dynamic_ncols=True) as bar:
            results.append(
                run_benchmark(
                    _set(benchmark, context=gpt.config.n_positions),
                    model,
                    name,
                    subject.out,
                    data=args.data,
                    shots=args.shots,
                    limit=args.limit,
                    seed=args.seed,
                    on_progress=partial(_show, bar),
                )
            )
    return results


def _show(bar: tqdm[Any], done: int, total: int) -> None:
    """Tell the bar; what was found on the disk does not count for the time left."""
    if bar.total is None:
        bar.total, bar.initial, bar.n = total, done, done
        bar.refresh()
    bar.update(done - bar.n)
