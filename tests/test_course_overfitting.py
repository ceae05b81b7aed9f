"""Chapter 6: its checks accept the right answer and help with each wrong one; the overfitting lab works."""

from __future__ import annotations

import copy
import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from learner import complaint
from tiny import make_tiny
from torch import nn

from ift_lib.course.checks import overfitting as checks
from ift_lib.course.widgets.live_loss import loss_image
from ift_lib.errors import InputError
from ift_lib.history import History, Point
from ift_lib.model import GPT
from ift_lib.stopping import EarlyStopping

lab = importlib.import_module("ift_lib.course.widgets.overfitting_lab")  # the package has a function of that name


# --- exercise 1 ---


def lowest(losses: list[float]) -> int:
    return min(range(len(losses)), key=lambda i: math.inf if math.isnan(losses[i]) else losses[i])


def test_1_right() -> None:
    assert "NaN" in checks.exercise_1.__wrapped__(lowest)
    assert checks.exercise_1.__wrapped__(lambda losses: np.nanargmin(losses))  # NumPy's own integer


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda x: x[lowest(x)], "the loss itself"),
        (lambda x: lowest(x) + 1, "Count from 0"),
        (lambda x: max(range(len(x)), key=x.__getitem__), "highest"),
        (lambda x: len(x) - 1, "the last epoch"),
        (lambda x: len(x) - 1 - lowest(x[::-1]), "take the first"),
        (lambda x: int(np.argmin(x)), "NaN"),
        (lambda x: None, "return"),
        (lambda x: 17, "smallest number"),
    ],
)
def test_1_each_wrong_way_has_its_hint(wrong: Callable[..., Any], hint: str) -> None:
    """Prevents a learner from being told "wrong" and nothing else."""
    assert hint in complaint(checks.exercise_1, wrong)


# --- exercise 2 ---


def test_2_right_and_the_library_agrees() -> None:
    """Prevents a lesson on patience that is not what EarlyStopping does."""
    assert "real improvement" in checks.exercise_2.__wrapped__(checks.stopping_place)
    for losses in ([5.0, 4.0, 3.0, 3.5, 3.4, 3.3], [5.0, 3.0, 4.0, 2.0, 2.5, 2.6, 2.7], [3.0, 3.0, 3.0]):
        stopping, model = EarlyStopping(2), nn.Linear(1, 1)
        said = [stopping.update(loss, model) for loss in losses]
        assert said.index(True) == checks.stopping_place(losses, 2)


def off_by(n: int) -> Callable[..., Any]:
    def wrong(losses: list[float], patience: int, min_delta: float) -> int | None:
        place = checks.stopping_place(losses, patience, min_delta)
        return None if place is None else place + n

    return wrong


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda x, p, d: checks._rises_in_a_row(x, p), "with the loss before"),
        (lambda x, p, d: checks._never_reset(x, p), "starts anew"),
        (lambda x, p, d: checks._equal_is_better(x, p), "An equal loss"),
        (lambda x, p, d: checks.stopping_place(x, p), "min_delta matters"),
        (lambda x, p, d: checks._best_always_follows(x, p, d), "Many small steps"),
        (off_by(1), "One too late"),
        (off_by(-1), "One too early"),
        (lambda x, p, d: x.index(min(x)), "known only later"),
        (lambda x, p, d: None, "inside the loop"),
        (lambda x, p, d: checks.stopping_place(x, p, d) or len(x) - 1, "goes on to the end"),
        (lambda x, p, d: "never", "whole number or None"),
        (lambda x, p, d: 0, "always better"),
        (lambda x, p, d: 1, "Keep the lowest loss"),
    ],
)
def test_2_each_wrong_way_has_its_hint(wrong: Callable[..., Any], hint: str) -> None:
    """Prevents patience that counts rises, or that any crumb of an improvement resets, from being accepted."""
    assert hint in complaint(checks.exercise_2, wrong)


# --- exercise 3 ---


def test_3_right() -> None:
    praise = checks.exercise_3.__wrapped__(lambda m: {name: t.detach().clone() for name, t in m.state_dict().items()})
    assert "copy" in praise
    assert checks.exercise_3.__wrapped__(lambda m: copy.deepcopy(m.state_dict()))


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda m: m.state_dict(), "t.clone()"),
        (lambda m: dict(m.state_dict()), "even a copied one"),
        (lambda m: copy.copy(m.state_dict()), "t.clone()"),
        (lambda m: {name: p.detach().clone() for name, p in m.named_parameters()}, "buffers too"),
        (lambda m: {str(i): t.clone() for i, t in enumerate(m.parameters())}, "under its own name"),
        (lambda m: [p.detach().clone() for p in m.parameters()], "a dict of names and tensors"),
        (lambda m: copy.deepcopy(m), "a whole model"),
        (lambda m: {n: t.clone().requires_grad_(t.is_floating_point()) for n, t in m.state_dict().items()}, "detach"),
        (lambda m: None, "return"),
    ],
)
def test_3_each_wrong_way_has_its_hint(wrong: Callable[..., Any], hint: str) -> None:
    """Prevents "best weights" that follow the model from being accepted."""
    assert hint in complaint(checks.exercise_3, wrong)


def test_3_leaves_the_random_numbers_alone() -> None:
    """Prevents a check from changing what the notebook computes after it."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    checks.exercise_3.__wrapped__(lambda m: copy.deepcopy(m.state_dict()))
    assert torch.equal(torch.rand(3), expected)


# --- exercise 4 ---


def rule(train: list[float], validation: list[float], min_rise: float) -> bool:
    turn = validation.index(min(validation))
    return turn < len(validation) - 1 and validation[-1] - validation[turn] > min_rise and train[-1] < train[turn]


def test_4_right() -> None:
    assert "Three signs" in checks.exercise_4.__wrapped__(rule)
    assert checks.exercise_4.__wrapped__(lambda t, v, r: np.bool_(rule(t, v, r)))


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda t, v, r: v[-1] > min(v) and t[-1] < t[0], "that is noise"),
        (lambda t, v, r: v[-1] - min(v) > r, "both curves rise"),
        (lambda t, v, r: v[-1] - min(v) > r and t[-1] < t[0], "training loss went from 2.5 to 2.7"),
        (lambda t, v, r: rule(t, v, r) and v[-1] > v[-2], "fell a little at the very end"),
        (lambda t, v, r: rule(t, v, r) and not 0 < v[-1] - v[-2] < r, "those at the turn, not with the ones before"),
        (lambda t, v, r: v[-1] - min(v) > r and t[-1] < t[-2], "went from 2.5 to 3.2"),
        (lambda t, v, r: rule(t, v, r) and t[-1] < t[-2], "not with the ones before"),
        (lambda t, v, r: v[-1] > t[-1], "still learning"),
        (lambda t, v, r: True, "still learning"),
        (lambda t, v, r: False, "turned at epoch 2"),
        (lambda t, v, r: None, "return"),
    ],
)
def test_4_each_wrong_way_has_its_hint(wrong: Callable[..., Any], hint: str) -> None:
    """Prevents noise, or divergence, from being taken for overfitting."""
    assert hint in complaint(checks.exercise_4, wrong)


# --- the lab ---


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab with a tiny model in the place of the pocket one, and few examples to measure on."""
    whole = lab.lab_data()
    monkeypatch.setattr(lab, "lab_data", lambda: (whole[0], whole[1][:4]))
    monkeypatch.setattr(lab, "load_pretrained", lambda name: make_tiny())


def test_a_run_restores_its_best_weights(quick: None) -> None:
    """Prevents a lab that says "restored" of the last weights."""
    seen: list[int] = []
    model: GPT = make_tiny()
    result = lab.run_lab(8, 0.05, 3, model=model, on_step=lambda progress: seen.append(progress.step))
    assert seen == [1, 2, 3] and len(result.history.validation) == 4
    assert result.restored == pytest.approx(result.history.best().loss, rel=1e-5)
    assert result.overfitting is None or result.overfitting.turn == result.history.best()
    assert lab.run_lab(8, 0.05, 3).history == result.history


@pytest.mark.parametrize("examples", [0, 10**6])
def test_an_impossible_number_of_examples_is_refused(quick: None, examples: int) -> None:
    """Prevents a slice that silently gives fewer examples than asked for."""
    with pytest.raises(InputError, match="must be from 1 to"):
        lab.run_lab(examples)


def made(train_losses: list[float], validation_losses: list[float]) -> Any:
    """A result with these losses, by epoch."""
    training = [Point(i + 1, i + 1.0, 10 * (i + 1), loss, 10) for i, loss in enumerate(train_losses)]
    validation = [Point(i, float(i), 10 * i, loss, 10) for i, loss in enumerate(validation_losses)]
    history = History(training, validation)
    return lab.LabResult(16, 1e-3, len(training), history, history.best().loss, 1.0)


def test_a_run_in_words() -> None:
    """Prevents calling every run overfitted, or none."""
    turned = lab.describe_lab(made([3, 2, 1, 0.5], [4.0, 3.0, 2.0, 2.5, 3.0]))
    assert "16 examples, learning rate 0.001, 4 epochs: validation loss turned at epoch 2 (2.000)" in turned
    assert turned.endswith("With the best weights restored it is 2.000 again.")
    assert "no overfitting yet" in lab.describe_lab(made([3, 2], [4.0, 3.0, 2.0]))
    assert "no clear turn" in lab.describe_lab(made([3, 4, 5], [4.0, 3.0, 3.5, 4.0]))


def test_the_widget_trains_at_a_click(quick: None) -> None:
    """Prevents knobs that are not asked, and a button that stays dead after the first run."""
    widget = lab.overfitting_lab()
    widget.examples.value, widget.lr.value, widget.epochs.value = 16, 3e-3, 2
    assert widget.cost.value.startswith("about ")
    widget.train.click()
    assert [(run.examples, run.lr, run.epochs) for run in widget.runs] == [(16, 3e-3, 2)]
    assert "16 examples, learning rate 0.003, 2 epochs" in widget.result.value
    assert "<img alt=" in widget.live.view.value and "step 4 of 4" in widget.live.line.value
    assert not widget.train.disabled and not widget.epochs.disabled and widget.train.description == "Train"
    widget.epochs.value = 1
    widget.train.click()
    assert len(widget.runs) == 2 and widget.table.value.count("<tr>") == 3


def test_a_run_that_fails_is_told_and_the_knobs_come_back(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a lab that is dead, without a word, after a loss has left the numbers."""

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise InputError("learning rate 9: the training loss became <nan>")

    monkeypatch.setattr(lab, "run_lab", fail)
    widget = lab.overfitting_lab()
    widget.train.click()
    assert "became &lt;nan&gt;" in widget.result.value and not widget.train.disabled and not widget.runs


def test_the_widget_begins_with_a_given_result(quick: None) -> None:
    """Prevents an empty lab where the chapter has a run to show."""
    result = made([3, 2, 1, 0.5], [4.0, 3.0, 2.0, 2.5, 3.0])
    widget = lab.overfitting_lab(result)
    assert widget.runs == [result] and "turned at epoch 2" in widget.result.value
    assert widget.live.view.value == loss_image(result.history)


def test_the_estimate_grows_with_examples_and_epochs() -> None:
    """Prevents a learner from starting ten minutes of training unwarned."""
    assert lab.count_tokens(64, 4) > lab.count_tokens(32, 4) > lab.count_tokens(32, 2)
    trained, _ = lab.lab_data()
    assert lab.count_tokens(512, 15) > 15 * sum(len(e) - 1 for e in trained[:512])
