"""What the processes of tests/test_distributed.py do:  torchrun --nproc-per-node=2 distributed_scenarios.py OUT NAME …

Each NAME trains the tiny model on examples of unequal length; rank 0 writes its losses and weights to OUT/NAME.pt.
Without torchrun it is the single process that the others must equal.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from tiny import make_tiny

from ift_lib import distributed
from ift_lib.data import Example
from ift_lib.encoding import EOT, Encoded
from ift_lib.errors import InputError
from ift_lib.generation import Sampling, respond
from ift_lib.hardware import FP32, Compute
from ift_lib.model import GPT
from ift_lib.templates import PHI3
from ift_lib.training import Progress, TrainConfig, train

# 9 examples at batch 4: the last step has one, and of four processes three then have none.
CONFIG = TrainConfig(epochs=3, batch_size=4, lr=1e-3, patience=99, clip=0.5)


def examples(n: int, seed: int) -> list[Encoded]:
    rng = random.Random(seed)
    lengths = [rng.randint(3, 40) for _ in range(n)]
    return [Encoded((*(rng.randrange(1, 300) for _ in range(k)), EOT), rng.randint(1, k - 1)) for k in lengths]


TRAIN, VALIDATION = examples(9, 1), examples(37, 2)  # 37: three batches, for two processes or four
OTHER = examples(3, 3)


def model(shard: bool = False) -> GPT:
    return distributed.shared_model(make_tiny, torch.device("cpu"), sharded=shard)


def done(out: Path, name: str, history: object, of: GPT) -> None:
    whole = distributed.whole_model(of)
    curves = distributed.gather(history.to_json())
    assert all(curve == curves[0] for curve in curves), "the ranks remember different losses"
    if whole is not None:
        torch.save({"history": curves[0], "weights": dict(whole.state_dict())}, out / f"{name}.pt")


def curve(out: Path, name: str, shard: bool = False, config: TrainConfig = CONFIG, compute: Compute = FP32) -> None:
    trained = model(shard)
    done(out, name, train(trained, TRAIN, VALIDATION, config, compute=compute), trained)


def resumable(out: Path, name: str, shard: bool) -> None:
    """Go on from OUT/checkpoint; STOP_AT ends this part of the run, as a time limit would."""
    stop_at = int(os.environ.get("STOP_AT", 0))

    class Stop(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.step == stop_at:
            raise Stop

    trained = model(shard)
    try:
        history = train(trained, TRAIN, VALIDATION, CONFIG, checkpoint=out / "checkpoint", on_step=stop)
    except Stop:
        return
    done(out, name, history, trained)


def early(out: Path, name: str, shard: bool) -> None:
    """Learning of what is never asked: the validation loss rises, and patience ends."""
    trained = model(shard)
    config = replace(CONFIG, epochs=40, lr=0.05, patience=2)
    done(out, name, train(trained, TRAIN, OTHER, config), trained)


def answers(out: Path, name: str, shard: bool) -> None:
    """Some rows end at once, some never: greedy and sampled; three batches, so some process has one more."""
    asked = [Example("Say " + "very " * (i % 7) + "nicely: " + str(i)) for i in range(9)]
    speaker = model(shard)
    with torch.no_grad():
        speaker.ln_f.bias.mul_(0.3)
    texts = [
        [r.text for r in respond(speaker, asked, PHI3, max_new_tokens=6, batch_size=3, sampling=sampling,
                                 generator=torch.Generator().manual_seed(5))]
        for sampling in (Sampling(), Sampling(temperature=1.0))
    ]  # fmt: skip
    everyone = distributed.gather(texts)
    assert all(each == everyone[0] for each in everyone)
    if distributed.rank() == 0:
        torch.save({"texts": texts}, out / f"{name}.pt")


def errors(out: Path, name: str, shard: bool) -> None:
    """What goes wrong on one rank is raised on all, the same words on each."""

    def fail_on(rank: int) -> Callable[[], None]:
        def do() -> None:
            if distributed.rank() == rank:
                raise FileNotFoundError(f"rank {rank} has no file")

        return do

    last = distributed.world_size() - 1
    for run, rank in ((distributed.from_main, 0), (distributed.main_first, 0), (distributed.main_first, last)):
        try:
            run(fail_on(rank))
        except (InputError, OSError) as e:
            assert str(e) == f"rank {rank} has no file"
        else:
            raise AssertionError("nothing was raised")
    if distributed.rank() == 0:
        torch.save({}, out / f"{name}.pt")


def death(out: Path, name: str, shard: bool) -> None:
    """The last process dies in the middle of training; DEATH says how."""
    last = distributed.rank() == distributed.world_size() - 1

    def die(progress: Progress) -> None:
        if last and progress.step == 2:
            if os.environ["DEATH"] == "kill":
                os.kill(os.getpid(), 9)
            raise RuntimeError("the tape ran out")

    train(model(shard), TRAIN, VALIDATION, CONFIG, on_step=die)


SCENARIOS: dict[str, Callable[[Path, str, bool], None]] = {
    "plain": lambda out, name, shard: curve(out, name, shard),
    "pieces": lambda out, name, shard: curve(out, name, shard, replace(CONFIG, micro_batch_size=1)),
    "recomputed": lambda out, name, shard: curve(out, name, shard, compute=Compute(checkpoint_activations=True)),
    "early": early,
    "answers": answers,
    "errors": errors,
    "resume": resumable,
    "death": death,
}

if __name__ == "__main__":
    with distributed.joined():
        for which in sys.argv[2:]:
            SCENARIOS[which.removesuffix("-shard")](Path(sys.argv[1]), which, which.endswith("-shard"))
