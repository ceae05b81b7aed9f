"""The main job, from a data file to a report: load, split, encode, train, answer, score, write.

RUN/config.json      what was asked, and the data file's hash
    problems.json    what is wrong with the data file
    split.json       which entry went where
    before.json      the test answers before training
    checkpoint.safetensors   while the run is going on; `ift run --resume RUN` continues from it
    history.json     losses by step, epoch and token       losses.png   the same as a picture
    responses.jsonl  every test instruction with reference, answers and scores
    model/           the fine-tuned weights, as a Hugging Face folder
    adapter/         with --lora, the same as a correction of the base model, as `peft` writes it
    data.jsonl       where the data came from `datasets`
    tensorboard/     with --tensorboard
    machine.json     where it ran and how long it took
    report.html      all of it, to read
"""

from __future__ import annotations

import heapq
import json
import math
import platform
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from ift_lib.adapters import save_adapter
from ift_lib.batching import lengths_of
from ift_lib.course.report import write_report
from ift_lib.data import MOST_LISTED, Example
from ift_lib.distributed import from_main, main_first, rank, shared_model, whole_model, world_size
from ift_lib.errors import InputError
from ift_lib.evaluation.metrics import exact_match, rouge_l, token_f1
from ift_lib.evaluation.verify import verify
from ift_lib.files import write_json_list, write_text
from ift_lib.generation import Response, respond
from ift_lib.hardware import (
    Compute,
    Step,
    check_memory,
    choose_device,
    choose_precision,
    keep_freed_memory,
    peak_memory_gb,
    place_of,
)
from ift_lib.history import History
from ift_lib.hub_data import is_dataset, write_dataset
from ift_lib.lora import add_lora, lora_parameter_count, merge_lora, trainable_parameter_count
from ift_lib.model import GPT
from ift_lib.plots import plot_losses
from ift_lib.preparing import Prepared, prepare_data
from ift_lib.run_config import RunConfig
from ift_lib.templates import TEMPLATES, Template
from ift_lib.tensorboard_log import log_steps
from ift_lib.token_store import file_sha256
from ift_lib.training import Progress, train
from ift_lib.weights import base_name, export_pretrained, load_pretrained


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

    def free() -> Path:
        folder = Path(out) if out else new_folder(Path("runs"))
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(
                f"{folder}: exists already; choose another --out, or continue that run with --resume {folder}"
            )
        return folder

    folder = from_main(free)
    try:
        return _go(from_main(lambda: _from_dataset(config, folder)), folder, say, **callbacks)
    except InputError:
        if rank() == 0 and not (folder / "config.json").exists():  # nothing has begun; the name stays free
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _from_dataset(config: RunConfig, folder: Path) -> RunConfig:
    """With a data set of `datasets`, the same run on a file of its own that it is written to."""
    if not is_dataset(config.data):
        return config
    write_dataset(config.data, folder / "data.jsonl")
    return replace(config, data=str(folder / "data.jsonl"), dataset=config.data)


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
    if file_sha256(config.data_path) != data_sha256:
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
        return device, Compute(precision, config.compile, config.checkpoint_activations, config.layout)

    device, compute = main_first(choose)
    model = shared_model(lambda: load_pretrained(config.model), device, sharded=config.shard)
    data = main_first(lambda: prepare(config, model.config.n_positions, say))
    memory = from_main(lambda: _memory(config, model, data, device, compute))
    if main:
        write_text(folder / "config.json", _json(asdict(config) | {"data_sha256": data.data_sha256}))
        write_json_list(folder / "problems.json", map(str, data.problems))
        write_text(folder / "split.json", json.dumps(vars(data.split)) + "\n")
    parts = ", ".join(f"{len(part):,} {name}" for name, part in vars(data.split).items())
    place = place_of(device, compute, world_size(), sharded=config.shard)
    say(f"{config.model} ({model.parameter_count() / 1e6:.0f} M parameters) on {place}; examples: {parts}")
    if memory:
        say(memory)
    _say_what_is_used(data, config, say)
    if device.type == "cpu":
        keep_freed_memory()

    test = [data.examples[i] for i in data.split.test]
    before = _before(folder / "before.json", model, test, template)
    if config.lora:
        add_lora(model, config.lora, torch.Generator().manual_seed(config.train.seed))
        say(f"adapters of rank {config.lora.rank}: {trainable_parameter_count(model):,} parameters are trained")
    training = time.perf_counter()
    checkpoint = folder / "checkpoint.safetensors"
    tell = on_step if main else lambda progress: None
    log = log_steps(folder / "tensorboard", config.train, tell) if config.tensorboard and main else nullcontext(tell)
    with log as told:
        history = train(
            model,
            data.pick(data.split.train),
            data.pick(data.split.validation),
            config.train,
            compute=compute,
            checkpoint=checkpoint,
            on_step=told,
        )
    if config.lora:
        if main:
            save_adapter(model, folder / "adapter", base_name(config.model))
        merge_lora(model)
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
    train_set = data.pick(data.split.train)
    lengths = lengths_of(train_set)
    longest = [train_set[i] for i in heapq.nlargest(rows, range(len(lengths)), key=lengths.__getitem__)]
    graded = sum(len(e) - (e.prompt_length if config.train.mask_prompt else 1) for e in longest)
    step = Step(len(longest), len(longest[0]) - 1, graded)
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)  # what we have already is ours
    shards = world_size() if config.shard else 1
    adapters = lora_parameter_count(model.config, config.lora) if config.lora else None
    return check_memory(
        config.model, model.config, step, compute,
        free=free, shards=shards, processes=world_size(), adapters=adapters,
    )  # fmt: skip


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


def _json(data: Any) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
