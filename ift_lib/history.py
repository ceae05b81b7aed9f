"""What a training run remembers: the losses, by step, epoch and token."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ift_lib.errors import InputError
from ift_lib.files import write_text


@dataclass(frozen=True)
class Point:
    """A loss and where in the run it was measured."""

    step: int
    """Optimizer steps done."""
    epoch: float
    """Passes over the training set done, with fractions."""
    tokens: int
    """Tokens read so far, without padding."""
    loss: float
    """Nats per graded token."""
    graded: int
    """Graded tokens the loss is a mean over."""


@dataclass
class History:
    """Training losses, one a step (on its batch, before its update); validation losses, on the whole split.

    The first validation point is step 0: the model before training.
    """

    train: list[Point] = field(default_factory=list)
    validation: list[Point] = field(default_factory=list)

    def best(self) -> Point:
        """The validation point with the lowest loss, the first of equals; a NaN is never the lowest."""
        return min(self.validation, key=lambda p: math.inf if math.isnan(p.loss) else p.loss)

    def train_between(self) -> list[Point]:
        """The training loss since the previous evaluation, at each validation point but the first.

        A mean over graded tokens, so comparable with the validation loss beside it (though measured while the weights
        moved, hence a little behind).
        """
        means = []
        for before, at in zip(self.validation, self.validation[1:], strict=False):
            span = [p for p in self.train if before.step < p.step <= at.step]
            if graded := sum(p.graded for p in span):
                loss = sum(p.loss * p.graded for p in span) / graded
                means.append(Point(at.step, at.epoch, at.tokens, loss, graded))
        return means

    def to_json(self) -> dict[str, list[dict[str, float]]]:
        """Plain lists of numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, list[dict[str, float]]]) -> History:
        """The inverse of `to_json`."""
        return cls(**{name: [Point(**p) for p in points] for name, points in data.items()})  # type: ignore[arg-type]

    def save(self, path: str | Path) -> None:
        """Write as JSON, atomically."""
        write_text(path, json.dumps(self.to_json()) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> History:
        """Read what `save` wrote. Raises InputError when the file is missing or something else."""
        try:
            return cls.from_json(json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, AttributeError) as e:
            raise InputError(f"{path}: no readable history ({e}); name the folder of a finished run") from e
