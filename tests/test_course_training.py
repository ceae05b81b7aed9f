"""Chapter 5: its checks accept the right answer and help with each wrong one; the live loss plot follows a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from learner import complaint
from tiny import make_tiny

from ift_lib.batching import Batch
from ift_lib.course.checks import training as checks
from ift_lib.course.quiz import load_quiz
from ift_lib.course.widgets.live_loss import LiveLoss, describe, loss_image
from ift_lib.data import Example
from ift_lib.encoding import encode_example
from ift_lib.history import History, Point
from ift_lib.loss import response_loss
from ift_lib.model import GPT
from ift_lib.templates import PHI3
from ift_lib.training import Progress, TrainConfig, accumulate_gradients, evaluate, train

# --- exercise 1 ---


def test_1_right() -> None:
    assert "left over" in checks.exercise_1.__wrapped__(lambda n, size, epochs: math.ceil(n / size) * epochs)
    assert checks.exercise_1.__wrapped__(lambda n, size, epochs: -(-n // size) * epochs)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda n, size, epochs: n // size * epochs, "8 examples that are left over"),
        (lambda n, size, epochs: math.ceil(n * epochs / size), "from one epoch into the next"),
        (lambda n, size, epochs: math.ceil(n / size), "That is one epoch"),
        (lambda n, size, epochs: n / size * epochs, "no parts of steps"),
        (lambda n, size, epochs: n * epochs, "how many examples are read"),
        (lambda n, size, epochs: (n // size + 1) * epochs, "multiple of 16"),
        (lambda n, size, epochs: float(math.ceil(n / size) * epochs), "a whole number, 126"),
        (lambda n, size, epochs: print(end=""), "return"),
        (lambda n, size, epochs: 7, "First the batches of one epoch"),
    ],
)
def test_1_each_wrong_way_has_its_hint(wrong: Callable[..., Any], hint: str) -> None:
    """Prevents a learner from being told "wrong" and nothing else."""
    assert hint in complaint(checks.exercise_1, wrong)


# --- exercise 2 ---


def test_2_right() -> None:
    assert "tenth" in checks.exercise_2.__wrapped__(checks.schedule)


def line(step: int, warm: int, progress: float, highest: float, loses: float = 0.9) -> float:
    return highest * (step + 1) / warm if step < warm else highest * (1 - loses * progress)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda s, n, h, w: h * s / w if s < w else checks.schedule(s, n, h, w), "step 0 is the first"),
        (lambda s, n, h, w: h if s < w else checks.schedule(s, n, h, w), "no warm-up"),
        (lambda s, n, h, w: h * (s + 1) / n if s < w else checks.schedule(s, n, h, w), "not all `steps`"),
        (lambda s, n, h, w: line(s, w, 0, h), "stays at the highest"),
        (lambda s, n, h, w: line(s, w, s / (n - 1), h), "begins when the warm-up ends"),
        (lambda s, n, h, w: line(s, w, (s - w) / (n - 1 - w), h, 1.0), "falls to 0"),
        (lambda s, n, h, w: line(s, w, (s - w) / (n - w), h, 1.0), "falls to 0"),
        (lambda s, n, h, w: line(s, w, (s - w) / (n - w), h), "number steps - 1"),
        (
            lambda s, n, h, w: line(s, w, (1 - math.cos(math.pi * (s - w) / (n - 1 - w))) / 2, h),
            "the cosine of the library",
        ),
        (lambda s, n, h, w: h * (s + 1) / w, "goes on rising"),
        (lambda s, n, h, w: -1.0 if s < w else checks.schedule(s, n, h, w), "In the warm-up"),
        (lambda s, n, h, w: line(s, w, 0.5, h), "progress"),
        (lambda s, n, h, w: None if s == 3 else checks.schedule(s, n, h, w), "return"),
    ],
)
def test_2_each_wrong_way_has_its_hint(wrong: Callable[..., Any], hint: str) -> None:
    """Prevents a schedule that is off by one from being accepted, or refused without a word on where."""
    assert hint in complaint(checks.exercise_2, wrong)


# --- exercise 3 ---


def measure(
    model: GPT, batches: list[Batch], *, off: bool = True, graph: bool = False, back: str = "as it was"
) -> tuple[list[float], list[int]]:
    """Totals and counts, measured well or badly."""
    was_training = model.training
    if off:
        model.eval()
    with torch.set_grad_enabled(graph):
        losses = [response_loss(model, batch) for batch in batches]
    if back == "as it was":
        model.train(was_training)
    elif back == "train":
        model.train()
    return [loss.total.item() for loss in losses], [loss.count for loss in losses]


def once(sums: tuple[list[float], list[int]]) -> float:
    return sum(sums[0]) / sum(sums[1])


def test_3_right() -> None:
    praise = checks.exercise_3.__wrapped__(lambda model, batches: once(measure(model, batches)))
    assert "the mode it came in" in praise
    assert checks.exercise_3.__wrapped__(lambda model, batches: evaluate(model, batches).mean)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda m, b: once(measure(m, b, off=False)), "dropout is still on"),
        (lambda m, b: once(measure(m, b, back="never")), "left in eval mode"),
        (lambda m, b: once(measure(m, b, back="train")), "left in train mode"),
        (lambda m, b: once(measure(m, b, graph=True)), "no_grad"),
        (lambda m, b: sum(t / n for t, n in zip(*measure(m, b), strict=True)) / len(b), "mean of the batches' means"),
        (lambda m, b: sum(measure(m, b)[0]), "sum over all graded tokens"),
        (lambda m, b: sum(measure(m, b)[0]) / len(b), "not by the batches"),
        (lambda m, b: sum(t / n for t, n in zip(*measure(m, b), strict=True)), "adds up means"),
        (lambda m, b: once(measure(m, b[:1])), "inside the loop"),
        (lambda m, b: once(measure(m, b[-1:])), "the last batch alone"),
        (lambda m, b: 3.0, "never called"),
        (lambda m, b: once(measure(m, b)) + 1, "divide once"),
        (lambda m, b: measure(m, b) and None, "return"),
    ],
)
def test_3_each_wrong_way_has_its_hint(wrong: Callable[..., Any], hint: str) -> None:
    """Trap 13. Prevents dropout while measuring, and a model left in another mode, from being accepted."""
    assert hint in complaint(checks.exercise_3, wrong)


def test_3_gradients_left_behind_are_seen() -> None:
    """Prevents a backward pass in an evaluation from being accepted."""

    def with_backward(model: GPT, batches: list[Batch]) -> float:
        response_loss(model, batches[0]).total.backward()
        return evaluate(model, batches).mean

    assert "graph" in complaint(checks.exercise_3, with_backward)


# --- exercise 4 ---


def scaled(model: GPT, batches: list[Batch], scales: list[float]) -> float:
    """The gradient of each sum times its scale; the right mean."""
    losses = []
    for batch, scale in zip(batches, scales, strict=True):
        losses.append(response_loss(model, batch))
        (losses[-1].total * scale).backward()
    return sum(loss.total.item() for loss in losses) / sum(loss.count for loss in losses)


def accumulate(model: GPT, batches: list[Batch]) -> float:
    return scaled(model, batches, [1 / sum(b.graded for b in batches)] * len(batches))


def test_4_right() -> None:
    assert "one large batch" in checks.exercise_4.__wrapped__(accumulate)
    assert checks.exercise_4.__wrapped__(lambda model, batches: accumulate_gradients(model, batches).mean)
    assert checks.exercise_4.__wrapped__(scaled_at_the_end)


def last_only(model: GPT, batches: list[Batch], count: int) -> float:
    mean = accumulate(model, batches)
    model.zero_grad()
    (response_loss(model, batches[-1]).total / count).backward()
    return mean


def with_a_step(model: GPT, batches: list[Batch]) -> float:
    mean = accumulate(model, batches)
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    return mean


def cleared(model: GPT, batches: list[Batch]) -> float:
    mean = accumulate(model, batches)
    model.zero_grad()
    return mean


def all_at_once(model: GPT, batches: list[Batch]) -> float:
    losses = [response_loss(model, batch) for batch in batches]
    mean = sum(loss.total for loss in losses) / sum(loss.count for loss in losses)
    mean.backward()
    return mean.item()


def scaled_at_the_end(model: GPT, batches: list[Batch]) -> float:
    """Another right way: sums first, the division on the gradients."""
    losses = []
    for batch in batches:
        losses.append(response_loss(model, batch))
        losses[-1].total.backward()
    count = sum(loss.count for loss in losses)
    for p in model.parameters():
        p.grad.div_(count)
    return sum(loss.total.item() for loss in losses) / count


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (all_at_once, "needs the memory of the large batch"),
        (lambda m, b: scaled(m, b, [1 / x.graded / len(b) for x in b]), "mean of the micro-batches' means"),
        (lambda m, b: scaled(m, b, [1 / x.graded for x in b]), "divided by its own count"),
        (lambda m, b: scaled(m, b, [1.0] * len(b)), "gradient of the sum"),
        (lambda m, b: scaled(m, b, [1 / len(b)] * len(b)), "by the number of micro-batches"),
        (lambda m, b: scaled(m, b, [1 / sum(x.tokens for x in b)] * len(b)), "times as long"),
        (lambda m, b: last_only(m, b, sum(x.graded for x in b)), "Only the last micro-batch"),
        (lambda m, b: last_only(m, b, b[-1].graded), "divided by its own count"),
        (with_a_step, "weights have changed"),
        (cleared, "no gradient"),
        (lambda m, b: sum(evaluate(m, [x]).mean for x in b), "no gradient"),
        (lambda m, b: accumulate(m, b) and sum(evaluate(m, [x]).mean for x in b) / len(b), "The gradient is right"),
        (lambda m, b: accumulate(m, b) and None, "return"),
        (lambda m, b: scaled(m, b, [1.0, *[0.0] * (len(b) - 1)]), "not that of one large batch"),
    ],
)
def test_4_each_wrong_way_has_its_hint(wrong: Callable[..., Any], hint: str) -> None:
    """Trap 1. Prevents a mean of means from being accepted, and a wrong divisor from being called a wrong idea."""
    assert hint in complaint(checks.exercise_4, wrong)


# --- the quiz ---


@pytest.mark.parametrize("name", ["05_training", "06_overfitting"])
def test_the_quiz_can_be_read(name: str) -> None:
    """Prevents a question without an explanation for each option."""
    assert len(load_quiz(name)) >= 5


# --- the live loss plot ---


class Clock:
    """A clock that goes on by `tick` seconds whenever it is looked at."""

    def __init__(self, tick: float) -> None:
        self.now, self.tick = 0.0, tick

    def __call__(self) -> float:
        self.now += self.tick
        return self.now


def growing(steps: int, every: int) -> Iterator[Progress]:
    """What `train` tells, with an evaluation after each `every` steps."""
    history = History([], [Point(0, 0.0, 0, 5.0, 10)])
    for step in range(1, steps + 1):
        history.train.append(Point(step, step / steps, 10 * step, 5 - step / steps, 5))
        if step % every == 0:
            history.validation.append(Point(step, step / steps, 10 * step, 5 - step / steps, 10))
        yield Progress(step, steps, history)


def test_the_live_plot_follows_and_ends_with_the_last_evaluation() -> None:
    """Prevents a picture that stops before the run does."""
    live = LiveLoss()
    for progress in growing(20, every=5):
        live(progress)
    assert "step 20 of 20" in live.line.value and "validation 4.00" in live.line.value
    assert live.view.value == loss_image(progress.history)
    assert 'alt="Loss curves over 1 epochs, 20 steps' in live.view.value


def test_drawing_takes_a_tenth_of_the_time_at_most() -> None:
    """Prevents a plot that slows the training it shows: here a step takes 2 ticks and a drawing 1."""
    live = LiveLoss(share=0.1, clock=Clock(1.0))
    for progress in growing(100, every=1000):
        live(progress)
    assert 5 <= live.drawings <= 12


def test_a_second_run_is_drawn_from_its_start() -> None:
    """Prevents the lab from showing the old curves until the new run has had as many evaluations."""
    live = LiveLoss(clock=Clock(0.0))
    for progress in growing(20, every=5):
        live(progress)
    live.next_drawing = math.inf
    live(next(iter(growing(20, every=5))))
    assert "step 1 of 20" in live.line.value


def test_the_line_before_the_first_step_and_without_numbers() -> None:
    """Prevents a division by zero before training, and a NaN as the lowest loss."""
    nothing = History([], [Point(0, 0.0, 0, 5.0, 10)])
    assert describe(nothing, 10) == "step 0 of 10; validation 5.00"
    gone = History([Point(1, 1.0, 5, math.nan, 5)], [Point(0, 0.0, 0, math.nan, 10)])
    assert "lowest" not in describe(gone, 10)


def test_training_with_the_live_plot_is_training(examples: list[Example]) -> None:
    """Prevents a callback that changes the run (random numbers, modes)."""
    data = [encode_example(e, PHI3) for e in examples]
    config = TrainConfig(epochs=2, batch_size=4)
    live = LiveLoss()
    histories = [
        train(make_tiny(dropout=0.1), data[:18], data[18:], config, on_step=step)
        for step in (live, lambda progress: None)
    ]
    assert histories[0] == histories[1] and live.drawings >= 4
