"""The training loop: batches in, falling loss out, and nothing lost on the way.

for epoch in range(epochs):
    for batch in epoch's order:                     order = f(seed, epoch)
        sum the loss, count the targets             accumulate_gradients
        divide once, clip, step                     train_step
        now and then: evaluate, remember, save      evaluate, EarlyStopping, checkpoint
restore the best weights
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ift_lib.batching import Batch, batch_order, collate, in_order, lengths_of
from ift_lib.checkpoint import (
    load_checkpoint,
    optimizer_tensors,
    pack,
    restore_optimizer,
    save_checkpoint,
    unpack,
)
from ift_lib.encoding import Encoded
from ift_lib.errors import InputError
from ift_lib.history import History, Point
from ift_lib.loss import LossSum, response_loss
from ift_lib.model import GPT, mode
from ift_lib.stopping import EarlyStopping


@dataclass(frozen=True)
class TrainConfig:
    """How to train. The defaults suit the pocket model; OpenAI's sizes want a rate of about 5e-5."""

    epochs: int = 3
    """Most passes over the training set; early stopping may end sooner."""
    batch_size: int = 16
    """Examples in an optimizer step."""
    micro_batch_size: int | None = None
    """Examples in memory at a time; None means the whole batch. Same gradients, less memory."""
    lr: float = 3e-4
    """Highest learning rate, reached after the warm-up."""
    warmup: float = 0.05
    """Share of all steps over which the rate rises from 0; it then falls to a tenth along a cosine."""
    weight_decay: float = 0.1
    """AdamW's decay, on matrices and embeddings only."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    mask_prompt: bool = True
    """Grade the response only."""
    evals_per_epoch: int = 2
    """Evaluations on the validation split in each epoch; one more comes before the first step."""
    patience: int = 3
    """Stop after so many evaluations without a lower validation loss."""
    seed: int = 123
    """Decides the order of the examples, and dropout."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "evals_per_epoch", "patience"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: must be at least 1")
        if self.micro_batch_size is not None and not 1 <= self.micro_batch_size <= self.batch_size:
            raise InputError(
                f"micro_batch_size={self.micro_batch_size}: must be from 1 to batch_size={self.batch_size}"
            )
        for name in ("lr", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name}={getattr(self, name)}: must be a number above 0")
        if not 0 <= self.warmup < 1:
            raise InputError(f"warmup={self.warmup}: must be at least 0 and below 1")
        if not 0 <= self.weight_decay < math.inf:
            raise InputError(f"weight_decay={self.weight_decay}: must be at least 0")


def learning_rate(step: int, steps: int, config: TrainConfig) -> float:
    """The rate of step 0 .. steps - 1: linear warm-up, then a cosine from lr to lr / 10 (as Brown et al. 2020)."""
    warm = max(1, round(config.warmup * steps))
    if step < warm:
        return config.lr * (step + 1) / warm
    progress = (step - warm) / max(1, steps - 1 - warm)
    return config.lr * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress)))


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); weight decay on matrices, none on norms and biases."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.95), fused=True)


def accumulate_gradients(model: GPT, micro_batches: Sequence[Batch]) -> LossSum:
    """Add the gradient of the mean loss per graded token over all `micro_batches`, as if they were one batch.

    Each micro-batch's *sum* is divided by the count of the whole step. (A mean of the micro-batches' means, the usual
    mistake, weighs tokens of short responses more: transformers issue 34191's fix of October 2024.)
    """
    graded = sum(b.graded for b in micro_batches)
    total = torch.zeros((), device=model.device)
    for batch in micro_batches:
        loss = response_loss(model, batch.to(model.device))
        (loss.total / graded).backward()
        total += loss.total.detach()
    return LossSum(total, graded)


def train_step(
    model: GPT, optimizer: torch.optim.Optimizer, micro_batches: Sequence[Batch], lr: float, clip: float
) -> LossSum:
    """One optimizer step at rate `lr` with the gradient clipped to norm `clip`; returns the loss before it.

    Raises InputError when the loss is no number, before the weights are spoilt.
    """
    loss = accumulate_gradients(model, micro_batches)
    if not math.isfinite(loss.mean):
        raise InputError(f"learning rate {lr:g}: the training loss became {loss.mean}; start again with a lower rate")
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss


def evaluate(model: GPT, batches: Iterable[Batch]) -> LossSum:
    """The loss over all batches, dropout off: one sum, one count, so it does not depend on how they were cut."""
    loss = LossSum(torch.zeros((), device=model.device), 0)
    with mode(model, training=False), torch.inference_mode():
        for batch in batches:
            loss += response_loss(model, batch.to(model.device))
    return loss


@dataclass(frozen=True)
class Progress:
    """What the loop tells its caller after every step."""

    step: int
    steps: int
    history: History


class Run:
    """A training run in progress: all that a checkpoint must hold, in one place."""

    def __init__(
        self, model: GPT, train_set: Sequence[Encoded], validation_set: Sequence[Encoded], config: TrainConfig
    ) -> None:
        self.model, self.config = model, config
        self.train_set, self.validation_set = train_set, validation_set
        self.optimizer = make_optimizer(model, config)
        self.stopping = EarlyStopping(config.patience)
        self.history = History()
        self.steps_per_epoch = math.ceil(len(train_set) / config.batch_size)
        self.steps = config.epochs * self.steps_per_epoch
        self.stopped = False
        # Evaluate after these steps of an epoch: evenly spread, the epoch's last one always among them.
        per = min(config.evals_per_epoch, self.steps_per_epoch)
        self.eval_at = {round((i + 1) * self.steps_per_epoch / per) for i in range(per)}

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return self.history.train[-1].step if self.history.train else 0

    def micro_batches(self, indices: Sequence[int]) -> list[Batch]:
        """The batch of these training examples, cut into pieces of micro_batch_size."""
        size = self.config.micro_batch_size or len(indices)
        cuts = (indices[at : at + size] for at in range(0, len(indices), size))
        return [collate([self.train_set[i] for i in cut], mask_prompt=self.config.mask_prompt) for cut in cuts]

    def take_step(self, indices: Sequence[int]) -> None:
        """Train on these examples and note the loss."""
        batches = self.micro_batches(indices)
        lr = learning_rate(self.step, self.steps, self.config)
        loss = train_step(self.model, self.optimizer, batches, lr, self.config.clip)
        tokens = sum(b.tokens for b in batches) + (self.history.train[-1].tokens if self.history.train else 0)
        step = self.step + 1
        self.history.train.append(Point(step, step / self.steps_per_epoch, tokens, loss.mean, loss.count))

    def take_stock(self) -> None:
        """Evaluate, note the loss, and decide whether to go on."""
        batches = in_order(self.validation_set, max(16, self.config.batch_size), mask_prompt=self.config.mask_prompt)
        loss = evaluate(self.model, batches)
        at = self.history.train[-1] if self.history.train else Point(0, 0.0, 0, 0.0, 0)
        self.history.validation.append(Point(at.step, at.epoch, at.tokens, loss.mean, loss.count))
        self.stopped = self.stopping.update(loss.mean, self.model)

    def save(self, path: Path) -> None:
        """Everything `load` needs to go on as if nothing had happened."""
        tensors = {
            **pack("model", self.model.state_dict()),
            **pack("best", self.stopping.best_weights),
            **pack("optimizer", optimizer_tensors(self.optimizer)),
            "rng/cpu": torch.get_rng_state(),
        }
        if self.model.device.type == "cuda":
            tensors["rng/cuda"] = torch.cuda.get_rng_state()
        notes = {
            "config": asdict(self.config),
            "history": self.history.to_json(),
            "stopping": {"best_loss": self.stopping.best_loss, "waited": self.stopping.waited},
            "stopped": self.stopped,
        }
        save_checkpoint(path, tensors, notes)

    def load(self, path: Path) -> None:
        """Go back to what `save` wrote. Raises InputError when it belongs to a run with other settings."""
        tensors, notes = load_checkpoint(path)
        wrong = _differences(notes["config"], asdict(self.config))
        if _shapes(unpack("model", tensors)) != _shapes(self.model.state_dict()):
            wrong = "another model"
        if wrong:
            raise InputError(f"{path}: belongs to another run ({wrong}); resume with the settings it was started with")
        self.model.load_state_dict(unpack("model", tensors))
        restore_optimizer(self.optimizer, unpack("optimizer", tensors))
        self.history = History.from_json(notes["history"])
        self.stopping.best_weights = unpack("best", tensors)
        self.stopping.best_loss, self.stopping.waited = (
            notes["stopping"]["best_loss"],
            notes["stopping"]["waited"],
        )
        self.stopped = notes["stopped"]
        torch.set_rng_state(tensors["rng/cpu"])
        if "rng/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["rng/cuda"])


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Size]:
    """Names and shapes, to tell one model from another."""
    return {name: t.shape for name, t in tensors.items()}


def _differences(a: dict[str, Any], b: dict[str, Any]) -> str:
    """The settings in which a and b differ, as text."""
    return ", ".join(f"{k}: {a.get(k)} there, {b.get(k)} here" for k in sorted(a | b) if a.get(k) != b.get(k))


def train(
    model: GPT,
    train_set: Sequence[Encoded],
    validation_set: Sequence[Encoded],
    config: TrainConfig = TrainConfig(),
    *,
    checkpoint: str | Path | None = None,
    on_step: Callable[[Progress], None] = lambda progress: None,
) -> History:
    """Fine-tune `model` in place, and leave it with the weights of the lowest validation loss.

    With `checkpoint`, the state of the run is saved there at every evaluation, and a run that finds the file goes on
    from it: killed at any moment and started again, it ends with the same weights, bit for bit.

    Raises InputError for an empty set, a checkpoint of another run, or a loss that diverges.
    """
    for name, examples in (("train_set", train_set), ("validation_set", validation_set)):
        if not examples:
            raise InputError(f"{name}: holds no examples; nothing can be learned or measured")
    torch.manual_seed(config.seed)  # dropout
    run = Run(model, train_set, validation_set, config)
    path = Path(checkpoint) if checkpoint else None
    if path and path.exists():
        run.load(path)
    else:
        run.take_stock()
    lengths = lengths_of(train_set)
    with mode(model, training=True):
        while run.step < run.steps and not run.stopped:
            epoch, done = divmod(run.step, run.steps_per_epoch)
            for at, indices in enumerate(batch_order(lengths, config.batch_size, config.seed, epoch), 1):
                if at <= done:
                    continue
                run.take_step(indices)
                if at in run.eval_at:
                    run.take_stock()
                    if path:
                        run.save(path)
                on_step(Progress(run.step, run.steps, run.history))
                if run.stopped:
                    break
    run.stopping.restore(model)
    return run.history
