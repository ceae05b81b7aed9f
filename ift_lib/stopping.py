"""Overfitting: see it in the curves, and stop with the best weights in hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ift_lib.distributed import gathered, spread
from ift_lib.history import History, Point


@dataclass(frozen=True)
class Overfitting:
    """The turn of the validation curve."""

    turn: Point
    """Where the validation loss was lowest."""
    rise: float
    """Nats by which the last validation loss lies above that."""
    train_fall: float
    """Nats by which the training loss fell from the turn to the end."""

    def __str__(self) -> str:
        return (
            f"validation loss turned at epoch {self.turn.epoch:g} ({self.turn.loss:.3f}), then rose by {self.rise:.3f} "
            f"while training loss fell by {self.train_fall:.3f}"
        )


def detect_overfitting(history: History, min_rise: float = 0.01) -> Overfitting | None:
    """Where validation loss turned up while training loss kept falling; None when it did not.

    All three must hold: the lowest validation loss is not the last; the last one lies more than `min_rise` nats above
    it (less is noise on a small split); the training loss at the end is below that at the turn. A rise of both curves
    is divergence, not overfitting, and gives None.
    """
    if len(history.validation) < 2:
        return None
    turn, last = history.best(), history.validation[-1]
    train = [p for p in history.train_between() if p.step >= turn.step]
    if not train or last.step == turn.step:
        return None
    # At the turn itself no training loss may be known (it can be step 0): then the first one after it stands in.
    rise, train_fall = last.loss - turn.loss, train[0].loss - train[-1].loss
    if not rise > min_rise or train_fall <= 0:  # `not >`: a NaN is no rise
        return None
    return Overfitting(turn, rise, train_fall)


class EarlyStopping:
    """Keeps the weights with the lowest validation loss, and says when `patience` evaluations brought none lower.

    Of many processes, rank 0 keeps them for all.

    >>> stopping, model = EarlyStopping(patience=2), nn.Linear(1, 1)
    >>> [stopping.update(loss, model) for loss in (3.0, 2.0, 2.5, 2.1)]
    [False, False, False, True]
    """

    def __init__(self, patience: int) -> None:
        if patience < 1:
            raise ValueError(f"patience={patience}: must be at least 1 evaluation")
        self.patience = patience
        self.best_loss = math.inf
        self.waited = 0
        self.best_weights: Mapping[str, Tensor] = {}

    def update(self, loss: float, model: nn.Module) -> bool:
        """Take note of a validation loss; True means stop. A NaN never counts as better."""
        if loss < self.best_loss:
            self.best_loss, self.waited = loss, 0
            self.best_weights = gathered(model.state_dict())
        else:
            self.waited += 1
        return self.waited >= self.patience

    def restore(self, model: nn.Module) -> None:
        """Put the best weights back into the model."""
        spread(self.best_weights, model.state_dict())
