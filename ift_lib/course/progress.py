"""The progress bar of a training run: loss, tokens a second, time left."""

from __future__ import annotations

import time
from typing import Any

from tqdm import tqdm

from ift_lib.training import Progress


class ProgressBar:
    """Give it to `train` as `on_step`; it appears with the first step and closes with the `with` block."""

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def __call__(self, progress: Progress) -> None:
        train, validation = progress.history.train, progress.history.validation[-1]
        if self.bar is None:  # tqdm's time left then counts from the first step of this session, resumed or not
            self.bar = tqdm(total=progress.steps, initial=progress.step - 1, unit="step", dynamic_ncols=True)
            self.since, self.tokens = time.perf_counter(), train[-1].tokens
        self.bar.update(progress.step - self.bar.n)
        recent = train[-50:]
        loss = sum(p.loss * p.graded for p in recent) / sum(p.graded for p in recent)
        speed = (train[-1].tokens - self.tokens) / (time.perf_counter() - self.since)
        self.bar.set_postfix_str(
            f"epoch {train[-1].epoch:.1f}, loss {loss:.3f}, validation {validation.loss:.3f}, {speed:,.0f} tokens/s"
        )
