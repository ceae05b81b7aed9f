"""The curves of a run for TensorBoard: losses and learning rate by step.

tensorboard --logdir RUN/tensorboard

loss/train, loss/validation     nats per graded token        learning_rate     of the step that was taken
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ift_lib.errors import InputError
from ift_lib.training import Progress, TrainConfig, learning_rate

OnStep = Callable[[Progress], None]


@contextmanager
def log_steps(folder: str | Path, config: TrainConfig, on_step: OnStep = lambda progress: None) -> Iterator[OnStep]:
    """An `on_step` for `train` that writes what is new in the history, then calls the one that is given.

    A run that goes on after an interruption writes its whole history anew: the old files may hold steps that were lost.
    Raises InputError when `tensorboard` is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as e:
        raise InputError("--tensorboard: needs the library `tensorboard`; pip install tensorboard") from e
    shutil.rmtree(folder, ignore_errors=True)
    trained, validated = 0, 0  # points written

    def write(progress: Progress) -> None:
        nonlocal trained, validated
        for p in progress.history.train[trained:]:
            writer.add_scalar("loss/train", p.loss, p.step)
            writer.add_scalar("learning_rate", learning_rate(p.step - 1, progress.steps, config), p.step)
        for p in progress.history.validation[validated:]:
            writer.add_scalar("loss/validation", p.loss, p.step)
            writer.flush()  # for those who watch
        trained, validated = len(progress.history.train), len(progress.history.validation)
        on_step(progress)

    with SummaryWriter(str(folder)) as writer:
        yield write
