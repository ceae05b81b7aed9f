"""The main job, from a data file to a report: load, split, encode, train, answer, score, write.

RUN/config.json      what was asked, and the data file's hash
    problems.json    what is wrong with the data file
    split.json       which entry went where
    before.json      the test answers before training
    checkpoint.safetensors   while the run is going on; `ift run --resume RUN` continues from it
    history.json     losses by step, epoch and token       losses.png   the same as a picture
    responses.jsonl  every test instruction with reference, answers and scores
    model/           the fine-tuned weights, as a Hugging Face folder
    machine.json     where it ran and how long it took
    report.html      all of it, to read
"""

from __future__ import annotations

import json
import math
import platform
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from ift_lib.course.report import write_report
from ift_lib.data import EMBEDDED, MOST_LISTED, Example
from ift_lib.errors import InputError
from ift_lib.evaluation.metrics import exact_match, rouge_l, token_f1
from ift_lib.evaluation.verify import verify
from ift_lib.files import write_json_list, write_text
from ift_lib.generation import Response, respond
from ift_lib.history import History
from ift_lib.model import GPT
from ift_lib.plots import plot_losses
from ift_lib.preparing import Prepared, prepare_data
from ift_lib.templates import TEMPLATES, Template
from ift_lib.token_store import file_sha256
from ift_lib.training import Progress, TrainConfig, train
from ift_lib.weights import export_pretrained, load_pretrained


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides the outcome of a run."""

    data: str = "embedded"
    """Path of the data file, or "embedded" for the course's own."""
    model: str = "pocket"
    """What `load_pretrained` takes: a name or a folder."""
    template: str = "alpaca"
    """A name of TEMPLATES."""
    device: str = "auto"
    """cpu, cuda, mps, or auto for the best there is."""
    skip_problems: bool = False
    """Leave out entries that cannot be used, instead of refusing the file."""
    validation: float = 0.05
    """Share of the examples for the validation split."""
    test: float = 0.10
    """Share of the examples for the test split."""
    max_validation: int | None = 1000
    """At most so many examples for the validation split, which is measured again and again."""
    max_test: int | None = 1000
    """At most so many examples for the test split, each of which is answered twice. None means no bound."""
    max_new_tokens: int = 128
    """Longest answer in tokens."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """How to train."""

    def __post_init__(self) -> None:
        if self.template not in TEMPLATES:
            raise InputError(f"template {self.template!r}: unknown; choose one of {', '.join(TEMPLATES)}")
        if self.max_new_tokens < 1:
            raise InputError(f"max_new_tokens={self.max_new_tokens}: must be at least 1")
        for name in ("max_validation", "max_test"):
            if (bound := getattr(self, name)) is not None and bound < 1:
                raise InputError(f"{name}={bound}: must be at least 1")

    @property
    def data_path(self) -> Path:
        """The data file."""
        return EMBEDDED if self.data == "embedded" else Path(self.data)

    def shares(self, count: int) -> dict[str, float]:
        """The shares of `count` examples for validation and test, within the bounds."""
        bounds = {"validation": self.max_validation, "test": self.max_test}
        wanted = {"validation": self.validation, "test": self.test}
        return {
            name: share if (bound := bounds[name]) is None or count * share <= bound else bound / count
            for name, share in wanted.items()
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RunConfig:
        """The inverse of `dataclasses.asdict`; names it does not know are left aside, and older runs had no bounds."""
        data = {"max_validation": None, "max_test": None} | data
        own = {f.name: data[f.name] for f in fields(cls)}
        return cls(**own | {"train": TrainConfig(**data["train"])})


def default_lr(model: str) -> float:
    """3e-4 for the small pocket model, 5e-5 for OpenAI's sizes and everything else."""
    return TrainConfig.lr if model == "pocket" else 5e-5


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA, else Apple's MPS, else the CPU. Raises InputError for a device this machine lacks."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, yes in there.items() if yes))
    try:
        device = torch.device(name)
    except RuntimeError as e:
        raise InputError(f"device {name!r}: unknown; choose auto, cpu, cuda or mps") from e
    if not there.get(device.type):
        raise InputError(f"device {name!r}: not on this machine; leave --device out, or choose cpu")
    return device


def prepare(config: RunConfig, max_length: int, say: Callable[[str], None] = print) -> Prepared:
    """Read, check, encode and split the data file, as `prepare_data`."""
    return prepare_data(
        config.data_path,
        TEMPLATES[config.template],
        max_length,
        config.shares,
        seed=config.train.seed,
        skip_problems=config.skip_problems,
        say=say,
    )


LONG_EPOCH = 50_000
"""Training examples from which on a run says how seldom it is saved."""


def _say_what_is_used(data: Prepared, config: RunConfig, say: Callable[[str], None]) -> None:
    """The parts, the bounds where they bind, and the first problems."""
    counts = {name: len(part) for name, part in vars(data.split).items()}
    for name, share, bound in (
        ("validation", config.validation, config.max_validation),
        ("test", config.test, config.max_test),
    ):
        if bound is not None and sum(counts.values()) * share > bound:
            say(f"note: {name} is bounded to {bound:,} examples instead of {share:.0%} of all (--max-{name} sets it)")
    steps = math.ceil(counts["train"] / config.train.batch_size)
    if counts["train"] > LONG_EPOCH:
        say(
            f"note: an epoch is {steps:,} steps; the run is saved at each of its {config.train.evals_per_epoch} "
            "evaluations (--evals-per-epoch sets how many)"
        )
    for number, problem in enumerate(data.problems):
        if number == MOST_LISTED:
            say("note: … and more; all are in problems.json")
            break
        say(f"note: {problem}")


def new_folder(parent: Path) -> Path:
    """The first free one of parent/1, parent/2, …"""
    return next(p for n in range(1, sys.maxsize) if not (p := parent / str(n)).exists())


def start(config: RunConfig, out: str | Path | None, say: Callable[[str], None] = print, **callbacks: Any) -> Path:
    """Run the whole job into `out` (default: the next free runs/N); returns the folder.

    Raises InputError when the folder holds something already, or anything is wrong with data, model or settings.
    """
    folder = Path(out) if out else new_folder(Path("runs"))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: exists already; choose another --out, or continue that run with --resume {folder}")
    return _go(config, folder, say, **callbacks)


def resume(folder: str | Path, say: Callable[[str], None] = print, **callbacks: Any) -> Path:
    """Continue a run that was interrupted, with its own settings; returns the folder.

    Raises InputError when there is nothing to continue, or the data file is no longer the same.
    """
    folder = Path(folder)
    if (folder / "report.html").exists():
        raise InputError(f"{folder}: this run is finished; open {folder / 'report.html'}")
    try:
        saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config, data_sha256 = RunConfig.from_json(saved), saved["data_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise InputError(f"{folder}: holds no run to resume ({e}); name the folder that `ift run` printed") from e
    if file_sha256(config.data_path) != data_sha256:
        raise InputError(f"{config.data}: has changed since the run began; put the old file back or start a new run")
    for half in folder.glob(".*.tmp"):  # what a kill in the middle of writing left
        shutil.rmtree(half) if half.is_dir() else half.unlink()
    return _go(config, folder, say, **callbacks)


def _go(config: RunConfig, folder: Path, say: Callable[[str], None], on_step: Callable[[Progress], None]) -> Path:
    """All the steps, in order. Every file is written whole, so `resume` can start from whatever is there."""
    started = time.perf_counter()
    device = choose_device(config.device)
    template = TEMPLATES[config.template]
    model = load_pretrained(config.model, device=device)
    data = prepare(config, model.config.n_positions, say)
    write_text(folder / "config.json", _json(asdict(config) | {"data_sha256": data.data_sha256}))
    write_json_list(folder / "problems.json", map(str, data.problems))
    write_text(folder / "split.json", json.dumps(vars(data.split)) + "\n")
    parts = ", ".join(f"{len(part):,} {name}" for name, part in vars(data.split).items())
    say(f"{config.model} ({model.parameter_count() / 1e6:.0f} M parameters) on {device}; examples: {parts}")
    _say_what_is_used(data, config, say)

    test = [data.examples[i] for i in data.split.test]
    before = _before(folder / "before.json", model, test, template)
    training = time.perf_counter()
    checkpoint = folder / "checkpoint.safetensors"
    history = train(
        model,
        data.pick(data.split.train),
        data.pick(data.split.validation),
        config.train,
        checkpoint=checkpoint,
        on_step=on_step,
    )
    generating = time.perf_counter()
    responses = respond(model, test, template, max_new_tokens=config.max_new_tokens)
    finished = time.perf_counter()

    history.save(folder / "history.json")
    plot_losses(history, folder / "losses.png")
    lines = [
        json.dumps(score(i, example, old, new), ensure_ascii=False)
        for i, example, old, new in zip(data.split.test, test, before, responses, strict=True)
    ]
    write_text(folder / "responses.jsonl", "\n".join(lines) + "\n")
    export_pretrained(model, folder / "model", template=template)
    seconds = {"train": generating - training, "generate": finished - generating, "total": finished - started}
    write_text(folder / "machine.json", _json(_machine(device, model, history, seconds)))
    write_report(folder)
    checkpoint.unlink(missing_ok=True)
    return folder


def _before(path: Path, model: GPT, test: Sequence[Example], template: Template) -> list[str]:
    """The untrained model's answers, cut at 40 tokens (it rarely ends by itself); kept for a resumed run."""
    if not path.exists():
        answers = [r.text for r in respond(model, test, template, max_new_tokens=40)]
        write_text(path, _json(answers))
    return list(json.loads(path.read_text(encoding="utf-8")))


def score(index: int, example: Example, before: str, response: Response) -> dict[str, Any]:
    """One line of responses.jsonl: the example, both answers, and what the metrics say of the new one."""
    return {
        "index": index,
        **asdict(example),
        "before": before,
        "response": response.text,
        "ended": response.ended,
        "exact_match": exact_match(response.text, example.output),
        "token_f1": token_f1(response.text, example.output),
        "rouge_l": rouge_l(response.text, example.output),
        "verified": verify(example, response.text),
        "verified_before": verify(example, before),
    }


def _machine(device: torch.device, model: GPT, history: History, seconds: dict[str, float]) -> dict[str, Any]:
    """Where the run took place, and how fast it was."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "parameters": model.parameter_count(),
        "seconds": {name: round(s, 1) for name, s in seconds.items()},
        "tokens_per_second": round(history.train[-1].tokens / seconds["train"]),
        "peak_memory_gb": peak_memory_gb(),
    }


def peak_memory_gb() -> float | None:
    """The most memory this process has had resident, in GB; None on Windows, which does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, 2)


def _json(data: Any) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
