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
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ift_lib.batching import Batch, batch_order, collate, idle_batch, in_order, lengths_of
from ift_lib.checkpoint import (
    empty_moments,
    load_checkpoint,
    optimizer_tensors,
    pack,
    restore_optimizer,
    save_checkpoint,
    unpack,
)
from ift_lib.distributed import (
    add_up,
    from_main,
    gathered,
    in_step,
    rank,
    replicate,
    share,
    spread,
    without_sync,
    world_size,
)
from ift_lib.encoding import Encoded
from ift_lib.errors import InputError
from ift_lib.hardware import FP32, Compute, autocast
from ift_lib.history import History, Point
from ift_lib.loss import LossSum, response_loss
from ift_lib.model import GPT, mode
from ift_lib.stopping import EarlyStopping
from ift_lib.train_config import TrainConfig as TrainConfig
from ift_lib.train_config import learning_rate as learning_rate


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019) for what is not frozen; weight decay on matrices, none on norms and biases."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.95), fused=True)


def accumulate_gradients(model: nn.Module, micro_batches: Sequence[Batch], precision: str = "fp32") -> LossSum:
    """Add the gradient of the mean loss per graded token over all `micro_batches`, as if they were one batch.

    Each micro-batch's *sum* is divided by the count of the whole step. (A mean of the micro-batches' means, the usual
    mistake, weighs tokens of short responses more: transformers issue 34191's fix of October 2024.)

    With many processes each gives its own micro-batches, and the same number of them; gradient and loss are those of
    all together. `model` is then what `distributed.replicate` gave, or sharded.
    """
    device = next(model.parameters()).device
    own = sum(b.graded for b in micro_batches)
    graded = round(add_up(own)[0])
    total = torch.zeros((), device=device)
    for i, batch in enumerate(micro_batches, 1):
        with nullcontext() if i == len(micro_batches) else without_sync(model):
            with autocast(device, precision):
                loss = response_loss(model, batch.to(device))
            # The gradients are averaged over the processes, so the mean here is per graded token of each.
            (loss.total / (graded / world_size())).backward()
        total += loss.total.detach()
    return _over_all(LossSum(total, own))


def _over_all(own: LossSum) -> LossSum:
    """The loss of all processes together, the same bits on each."""
    if world_size() == 1:
        return own
    total, count = add_up(own.total.item(), own.count)
    return LossSum(torch.tensor(total, dtype=torch.float64), round(count))


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    micro_batches: Sequence[Batch],
    lr: float,
    clip: float,
    precision: str = "fp32",
) -> LossSum:
    """One optimizer step at rate `lr` with the gradient clipped to norm `clip`; returns the loss before it.

    Raises InputError when the loss is no number, before the weights are spoilt.
    """
    loss = accumulate_gradients(model, micro_batches, precision)
    if not math.isfinite(loss.mean):
        raise InputError(f"learning rate {lr:g}: the training loss became {loss.mean}; start again with a lower rate")
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss


def evaluate(model: GPT, batches: Iterable[Batch], precision: str = "fp32") -> LossSum:
    """The loss over all batches, dropout off: one sum, one count, so it does not depend on how they were cut.

    Of many processes, each takes its share of the batches; all get the loss over all.
    """
    loss = LossSum(torch.zeros((), device=model.device), 0)
    # No inference_mode: what FSDP2 gathers in it, no later backward pass may use.
    with mode(model, training=False), torch.no_grad(), in_step(model):
        for batch in share(batches):
            with autocast(model.device, precision):
                loss += response_loss(model, batch.to(model.device))
    return _over_all(loss)


@dataclass(frozen=True)
class Progress:
    """What the loop tells its caller after every step."""

    step: int
    steps: int
    history: History


DEFAULTS = TrainConfig()
MOST_TOKENS = 1024
"""Tokens, padding included, that a CPU trains on at a time. The gradient of a step is the same in any pieces."""


class Run:
    """A training run in progress: all that a checkpoint must hold, in one place."""

    def __init__(
        self,
        model: GPT,
        train_set: Sequence[Encoded],
        validation_set: Sequence[Encoded],
        config: TrainConfig,
        compute: Compute = FP32,
    ) -> None:
        self.model, self.config, self.compute = model, config, compute
        model.checkpoint_activations, model.layout = compute.checkpoint_activations, compute.layout
        self.trained: nn.Module = replicate(model, compile=compute.compile)
        self.train_set, self.validation_set = train_set, validation_set
        self.lengths = lengths_of(train_set)
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
        """This process's share of these training examples, cut into pieces of micro_batch_size; on a CPU, without one,
        into pieces of at most MOST_TOKENS, so that a few long examples do not decide how much memory a run takes.

        Every process gets as many pieces as the one with the largest share: they pass through the model together.
        """
        largest = math.ceil(len(indices) / world_size())
        size = self.config.micro_batch_size or largest
        if self.config.micro_batch_size is None and self.model.device.type == "cpu":
            size = min(size, max(1, MOST_TOKENS // max(self.lengths[i] for i in indices)))
        own = [self.train_set[i] for i in share(indices)]
        cuts = [own[at : at + size] for at in range(0, largest, size)]
        return [collate(cut, mask_prompt=self.config.mask_prompt) if cut else idle_batch() for cut in cuts]

    def take_step(self, indices: Sequence[int]) -> None:
        """Train on these examples and note the loss."""
        batches = self.micro_batches(indices)
        lr = learning_rate(self.step, self.steps, self.config)
        loss = train_step(self.trained, self.optimizer, batches, lr, self.config.clip, self.compute.precision)
        tokens = round(add_up(sum(b.tokens for b in batches))[0])
        tokens += self.history.train[-1].tokens if self.history.train else 0
        step = self.step + 1
        self.history.train.append(Point(step, step / self.steps_per_epoch, tokens, loss.mean, loss.count))

    def take_stock(self) -> None:
        """Evaluate, note the loss, and decide whether to go on."""
        batches = in_order(self.validation_set, max(16, self.config.batch_size), mask_prompt=self.config.mask_prompt)
        loss = evaluate(self.model, batches, self.compute.precision)
        at = self.history.train[-1] if self.history.train else Point(0, 0.0, 0, 0.0, 0)
        self.history.validation.append(Point(at.step, at.epoch, at.tokens, loss.mean, loss.count))
        self.stopped = self.stopping.update(loss.mean, self.model)

    def save(self, path: Path) -> None:
        """Everything `load` needs to go on as if nothing had happened, on any number of processes."""
        tensors = {
            **pack("model", gathered(self.model.state_dict())),
            **pack("best", self.stopping.best_weights),
            **pack("optimizer", gathered(optimizer_tensors(self.optimizer))),
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
        if rank() == 0:
            save_checkpoint(path, tensors, notes)

    def load(self, path: Path) -> None:
        """Go back to what `save` wrote. Raises InputError when it belongs to a run with other settings."""
        tensors: dict[str, torch.Tensor] = {}
        notes = from_main(lambda: self._read(path, tensors))
        spread(unpack("model", tensors), self.model.state_dict())
        moments = empty_moments(self.optimizer)
        spread(unpack("optimizer", tensors), moments)
        restore_optimizer(self.optimizer, moments)
        self.history = History.from_json(notes["history"])
        self.stopping.best_weights = unpack("best", tensors)
        self.stopping.best_loss, self.stopping.waited = (
            notes["stopping"]["best_loss"],
            notes["stopping"]["waited"],
        )
        self.stopped = notes["stopped"]
        if rank() > 0:
            torch.manual_seed(self.config.seed + rank() + self.step * world_size())
            return
        torch.set_rng_state(tensors["rng/cpu"])
        if "rng/cuda" in tensors and self.model.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["rng/cuda"])

    def _read(self, path: Path, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
        """Put what the file holds into `tensors`, and return its notes."""
        found, notes = load_checkpoint(path)
        # Pieces of another size give the same sums, and what fits depends on the machine a run goes on with.
        wrong = _differences(notes["config"] | {"micro_batch_size": self.config.micro_batch_size}, asdict(self.config))
        if _shapes(unpack("model", found)) != _shapes(self.model.state_dict()):
            wrong = "another model"
        if wrong:
            raise InputError(f"{path}: belongs to another run ({wrong}); resume with the settings it was started with")
        tensors.update(found)
        return notes


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
    config: TrainConfig = DEFAULTS,
    *,
    compute: Compute = FP32,
    checkpoint: str | Path | None = None,
    on_step: Callable[[Progress], None] = lambda progress: None,
) -> History:
    """Fine-tune `model` in place, and leave it with the weights of the lowest validation loss.

    With `checkpoint`, the state of the run is saved there at every evaluation, and a run that finds the file goes on
    from it: killed at any moment and started again, it ends with the same weights, bit for bit.

    In a process group (`distributed.joined`) every process calls this with the same arguments, and each step's examples
    are shared out. Losses, decisions and weights are those of one process, but for rounding. Rank 0 holds the best
    weights and writes the checkpoint, from which any number of processes goes on.

    Raises InputError for an empty set, a checkpoint of another run, or a loss that diverges.
    """
    for name, examples in (("train_set", train_set), ("validation_set", validation_set)):
        if not examples:
            raise InputError(f"{name}: holds no examples; nothing can be learned or measured")
    torch.manual_seed(config.seed + rank())  # dropout
    run = Run(model, train_set, validation_set, config, compute)
    path = Path(checkpoint) if checkpoint else None
    if path and from_main(path.exists):
        run.load(path)
    else:
        run.take_stock()
    with mode(model, training=True):
        while run.step < run.steps and not run.stopped:
            epoch, done = divmod(run.step, run.steps_per_epoch)
            for at, indices in enumerate(batch_order(run.lengths, config.batch_size, config.seed, epoch), 1):
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
