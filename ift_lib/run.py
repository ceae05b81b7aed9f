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

import hashlib
import json
import math
import platform
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch

from ift_lib.batching import too_long
from ift_lib.course.report import write_report
from ift_lib.data import EMBEDDED, Examined, Example, Problem, Split, examine, refuse, split_examples
from ift_lib.distributed import from_main, main_first, rank, shared_model, whole_model, world_size
from ift_lib.encoding import Encoded, encode_example
from ift_lib.errors import InputError
from ift_lib.evaluation.metrics import exact_match, rouge_l, token_f1
from ift_lib.evaluation.verify import verify
from ift_lib.files import write_text
from ift_lib.generation import Response, respond
from ift_lib.hardware import Compute, Step, check_memory, choose_device, choose_precision, peak_memory_gb, place_of
from ift_lib.history import History
from ift_lib.model import GPT
from ift_lib.plots import plot_losses
from ift_lib.templates import TEMPLATES, Template
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
    precision: str = "auto"
    """fp32, bf16, or auto: bf16 on a GPU that computes in it."""
    compile: bool = False
    """Train with torch.compile."""
    checkpoint_activations: bool = False
    """Train in less memory, computing each block twice."""
    shard: bool = False
    """Share the parameters out over the processes (FSDP2) instead of giving each all of them (DDP)."""
    skip_problems: bool = False
    """Leave out entries that cannot be used, instead of refusing the file."""
    validation: float = 0.05
    """Share of the examples for the validation split."""
    test: float = 0.10
    """Share of the examples for the test split."""
    max_new_tokens: int = 128
    """Longest answer in tokens."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """How to train."""

    def __post_init__(self) -> None:
        if self.template not in TEMPLATES:
            raise InputError(f"template {self.template!r}: unknown; choose one of {', '.join(TEMPLATES)}")
        if self.max_new_tokens < 1:
            raise InputError(f"max_new_tokens={self.max_new_tokens}: must be at least 1")

    @property
    def data_path(self) -> Path:
        """The data file."""
        return EMBEDDED if self.data == "embedded" else Path(self.data)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RunConfig:
        """The inverse of `dataclasses.asdict`; names it does not know are left aside."""
        own = {f.name: data[f.name] for f in fields(cls) if f.name in data}
        return cls(**own | {"train": TrainConfig(**data["train"])})


def default_lr(model: str) -> float:
    """3e-4 for the small pocket model, 5e-5 for OpenAI's sizes and everything else."""
    return TrainConfig.lr if model == "pocket" else 5e-5


@dataclass(frozen=True)
class Prepared:
    """The data of a run, ready for training. Parts hold indices of file entries."""

    examples: dict[int, Example]
    encoded: dict[int, Encoded]
    split: Split
    problems: list[Problem]

    def pick(self, indices: Sequence[int]) -> list[Encoded]:
        """The encoded examples of a part."""
        return [self.encoded[i] for i in indices]


def prepare(config: RunConfig, max_length: int) -> Prepared:
    """Read, check, encode and split the data file.

    Raises InputError that lists every entry that cannot be used: faulty, or longer than the model's `max_length`.
    """
    examined = examine(config.data_path)
    encoded = {i: encode_example(e, TEMPLATES[config.template]) for i, e in examined.examples.items()}
    problems = examined.problems + _too_long(examined, encoded, max_length)
    if not config.skip_problems:
        refuse(config.data_path, problems)
    left_out = {p.index for p in problems if p.fatal}
    examples = {i: e for i, e in examined.examples.items() if i not in left_out}
    index = list(examples)
    split = split_examples(
        list(examples.values()), validation=config.validation, test=config.test, seed=config.train.seed
    )
    parts = {name: tuple(index[i] for i in part) for name, part in asdict(split).items()}
    return Prepared(examples, encoded, Split(**parts), problems)


def _too_long(examined: Examined, encoded: dict[int, Encoded], max_length: int) -> list[Problem]:
    """A problem for each example that the model's context cannot hold."""
    index = list(encoded)
    message = "needs {} tokens with its prompt; the context of this model is {}"
    long = too_long(list(encoded.values()), max_length)
    return [Problem(index[i], message.format(len(encoded[index[i]]) - 1, max_length)) for i in long]


def new_folder(parent: Path) -> Path:
    """The first free one of parent/1, parent/2, …"""
    return next(p for n in range(1, sys.maxsize) if not (p := parent / str(n)).exists())


def start(config: RunConfig, out: str | Path | None, say: Callable[[str], None] = print, **callbacks: Any) -> Path:
    """Run the whole job into `out` (default: the next free runs/N); returns the folder.

    Raises InputError when the folder holds something already, or anything is wrong with data, model or settings.
    """

    def free() -> Path:
        folder = Path(out) if out else new_folder(Path("runs"))
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(
                f"{folder}: exists already; choose another --out, or continue that run with --resume {folder}"
            )
        return folder

    return _go(config, from_main(free), say, **callbacks)


def resume(
    folder: str | Path,
    say: Callable[[str], None] = print,
    changes: Mapping[str, Any] | None = None,
    **callbacks: Any,
) -> Path:
    """Continue a run that was interrupted, with its own settings but for `changes`; returns the folder.

    The changes may say how the machine is used (HOW_OPTIONS), which can be another one, with another number of
    processes. Raises InputError when there is nothing to continue, or the data file is no longer the same.
    """
    folder = Path(folder)
    config = from_main(lambda: _saved_config(folder))
    own = dict(changes or {})
    training = {name: own.pop(name) for name in ("micro_batch_size",) if name in own}
    return _go(replace(config, **own, train=replace(config.train, **training)), folder, say, **callbacks)


def _saved_config(folder: Path) -> RunConfig:
    """The settings of an interrupted run, whose folder is made ready to go on in."""
    if (folder / "report.html").exists():
        raise InputError(f"{folder}: this run is finished; open {folder / 'report.html'}")
    try:
        saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config, data_sha256 = RunConfig.from_json(saved), saved["data_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise InputError(f"{folder}: holds no run to resume ({e}); name the folder that `ift run` printed") from e
    if _sha256(config.data_path) != data_sha256:
        raise InputError(f"{config.data}: has changed since the run began; put the old file back or start a new run")
    for half in folder.glob(".*.tmp"):  # what a kill in the middle of writing left
        shutil.rmtree(half) if half.is_dir() else half.unlink()
    return config


def _go(config: RunConfig, folder: Path, say: Callable[[str], None], on_step: Callable[[Progress], None]) -> Path:
    """All the steps, in order. Every file is written whole, so `resume` can start from whatever is there.

    Of many processes all take every step, and rank 0 alone writes and speaks.
    """
    started = time.perf_counter()
    main = rank() == 0
    say = say if main else lambda line: None
    template = TEMPLATES[config.template]

    def choose() -> tuple[torch.device, Compute]:
        device = choose_device(config.device)
        precision = choose_precision(config.precision, device)
        return device, Compute(precision, config.compile, config.checkpoint_activations)

    device, compute = main_first(choose)
    model = shared_model(lambda: load_pretrained(config.model), device, sharded=config.shard)
    data = main_first(lambda: prepare(config, model.config.n_positions))
    memory = from_main(lambda: _memory(config, model, data, device, compute))
    if main:
        write_text(folder / "config.json", _json(asdict(config) | {"data_sha256": _sha256(config.data_path)}))
        write_text(folder / "problems.json", _json([str(p) for p in data.problems]))
        write_text(folder / "split.json", _json(asdict(data.split)))
    parts = ", ".join(f"{len(part):,} {name}" for name, part in asdict(data.split).items())
    place = place_of(device, compute, world_size(), sharded=config.shard)
    say(f"{config.model} ({model.parameter_count() / 1e6:.0f} M parameters) on {place}; examples: {parts}")
    if memory:
        say(memory)
    for problem in data.problems:
        say(f"note: {problem}")

    test = [data.examples[i] for i in data.split.test]
    before = _before(folder / "before.json", model, test, template)
    training = time.perf_counter()
    checkpoint = folder / "checkpoint.safetensors"
    history = train(
        model,
        data.pick(data.split.train),
        data.pick(data.split.validation),
        config.train,
        compute=compute,
        checkpoint=checkpoint,
        on_step=on_step if main else lambda progress: None,
    )
    generating = time.perf_counter()
    responses = respond(model, test, template, max_new_tokens=config.max_new_tokens)
    finished = time.perf_counter()
    whole = whole_model(model)
    if whole is None:
        return folder

    history.save(folder / "history.json")
    plot_losses(history, folder / "losses.png")
    lines = [
        json.dumps(score(i, example, old, new), ensure_ascii=False)
        for i, example, old, new in zip(data.split.test, test, before, responses, strict=True)
    ]
    write_text(folder / "responses.jsonl", "\n".join(lines) + "\n")
    export_pretrained(whole, folder / "model", template=template)
    seconds = {"train": generating - training, "generate": finished - generating, "total": finished - started}
    how = asdict(compute) | {"processes": world_size(), "sharded": config.shard}
    write_text(folder / "machine.json", _json(_machine(device, whole, history, seconds) | how))
    write_report(folder)
    checkpoint.unlink(missing_ok=True)
    return folder


def _memory(config: RunConfig, model: GPT, data: Prepared, device: torch.device, compute: Compute) -> str | None:
    """What `check_memory` says of a run on CUDA, whose memory does not grow; None elsewhere."""
    if device.type != "cuda":
        return None
    share = math.ceil(config.train.batch_size / world_size())
    rows = min(config.train.micro_batch_size or share, share)
    longest = sorted(data.pick(data.split.train), key=len, reverse=True)[:rows]
    graded = sum(len(e) - (e.prompt_length if config.train.mask_prompt else 1) for e in longest)
    step = Step(len(longest), len(longest[0]) - 1, graded)
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)  # what we have already is ours
    shards = world_size() if config.shard else 1
    return check_memory(config.model, model.config, step, compute, free=free, shards=shards, processes=world_size())


def _before(path: Path, model: GPT, test: Sequence[Example], template: Template) -> list[str]:
    """The untrained model's answers, cut at 40 tokens (it rarely ends by itself); kept for a resumed run."""
    if not from_main(path.exists):
        answers = [r.text for r in respond(model, test, template, max_new_tokens=40)]
        from_main(lambda: write_text(path, _json(answers)))
    return from_main(lambda: list(json.loads(path.read_text(encoding="utf-8"))))


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


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _json(data: Any) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
