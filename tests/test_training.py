"""training.py, stopping.py, checkpoint.py: the loop, and stopping and starting it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import make_tiny

from ift_lib import training
from ift_lib.checkpoint import load_checkpoint, save_checkpoint
from ift_lib.data import Example
from ift_lib.encoding import EOT, Encoded, encode_example
from ift_lib.errors import InputError
from ift_lib.history import History, Point
from ift_lib.model import GPT
from ift_lib.stopping import EarlyStopping, detect_overfitting
from ift_lib.templates import PHI3
from ift_lib.training import Progress, TrainConfig, learning_rate, make_optimizer, train

CONFIG = TrainConfig(epochs=3, batch_size=4, lr=1e-3, patience=99)


@pytest.fixture
def sets(examples: list[Example]) -> tuple[list[Encoded], list[Encoded]]:
    encoded = [encode_example(e, PHI3) for e in examples]
    return encoded[:18], encoded[18:]


def weights(model: GPT) -> list[torch.Tensor]:
    return [p.detach().clone() for p in model.parameters()]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_training_lowers_both_losses(sets: tuple[list[Encoded], list[Encoded]]) -> None:
    """Prevents a loop that runs and learns nothing."""
    history = train(make_tiny(), *sets, replace(CONFIG, lr=0.03))
    assert history.validation[-1].loss < history.validation[0].loss - 3
    assert history.train_between()[-1].loss < history.train_between()[0].loss


def test_history_counts_steps_epochs_and_tokens(sets: tuple[list[Encoded], list[Encoded]]) -> None:
    """Prevents a loss curve over the wrong axis: 18 examples at batch 4 are 5 steps, the last one of 2."""
    history = train(make_tiny(), *sets, CONFIG)
    assert [p.step for p in history.train] == list(range(1, 16))
    assert [p.step for p in history.validation] == [0, 2, 5, 7, 10, 12, 15]
    assert history.validation[2].epoch == 1 and history.validation[-1].epoch == 3
    assert history.train[4].tokens == sum(len(e) - 1 for e in sets[0])
    assert sum(p.graded for p in history.train[:5]) == sum(len(e) - e.prompt_length for e in sets[0])


def test_one_seed_is_one_result(sets: tuple[list[Encoded], list[Encoded]]) -> None:
    """Prevents hidden randomness: two runs are equal bit for bit, with dropout; another seed is not."""
    runs = []
    for seed in (1, 1, 2):
        model = make_tiny(dropout=0.1)
        runs.append((train(model, *sets, replace(CONFIG, seed=seed)), weights(model)))
    assert runs[0][0] == runs[1][0] and same(runs[0][1], runs[1][1])
    assert runs[0][0] != runs[2][0]


def test_small_pieces_train_the_same(sets: tuple[list[Encoded], list[Encoded]]) -> None:
    """Trap 1. Prevents micro-batches from changing the run."""
    histories = [train(make_tiny(), *sets, replace(CONFIG, micro_batch_size=size)) for size in (None, 1)]
    losses = [[p.loss for p in h.validation] for h in histories]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


class Stop(Exception):
    """Thrown by a test to end a run as a crash would."""


@pytest.mark.parametrize("at", [1, 3, 5, 6, 14, 15])
def test_a_run_cut_off_anywhere_ends_the_same(
    sets: tuple[list[Encoded], list[Encoded]], tmp_path: Path, at: int
) -> None:
    """Trap 19. Prevents a resume that replays the first epoch, or with other moments, dropout or best weights."""
    config = replace(CONFIG, lr=0.1)
    sets = (
        sets[0],
        [encode_example(Example("Name a river.", output="Tagus"), PHI3)],
    )  # learning about fruit does not help
    whole = make_tiny(dropout=0.1)
    history = train(whole, *sets, config)
    assert history.best() not in (history.validation[0], history.validation[-1])

    def crash(progress: Progress) -> None:
        if progress.step == at:
            raise Stop

    with pytest.raises(Stop):
        train(make_tiny(dropout=0.1), *sets, config, checkpoint=tmp_path / "c", on_step=crash)
    torch.manual_seed(99)
    resumed = make_tiny(dropout=0.1)
    assert train(resumed, *sets, config, checkpoint=tmp_path / "c") == history
    assert same(weights(resumed), weights(whole))


def test_a_checkpoint_of_another_run_is_refused(sets: tuple[list[Encoded], list[Encoded]], tmp_path: Path) -> None:
    """Prevents continuing with other settings, whose result would be neither run's."""
    train(make_tiny(), *sets, replace(CONFIG, epochs=1), checkpoint=tmp_path / "c")
    with pytest.raises(InputError, match="epochs: 1 there, 3 here"):
        train(make_tiny(), *sets, CONFIG, checkpoint=tmp_path / "c")
    with pytest.raises(InputError, match="another model"):
        train(make_tiny(n_layer=3), *sets, replace(CONFIG, epochs=1), checkpoint=tmp_path / "c")
    with pytest.raises(InputError, match="another model"):
        train(make_tiny(n_embd=32), *sets, replace(CONFIG, epochs=1), checkpoint=tmp_path / "c")


def test_a_damaged_checkpoint_is_one_clear_error(tmp_path: Path) -> None:
    """Prevents a traceback from inside safetensors."""
    save_checkpoint(tmp_path / "c", {"x": torch.arange(1000.0)}, {"a": 0.1})
    assert load_checkpoint(tmp_path / "c")[1] == {"a": 0.1}
    (tmp_path / "c").write_bytes((tmp_path / "c").read_bytes()[:2000])
    with pytest.raises(InputError, match="not a readable checkpoint"):
        load_checkpoint(tmp_path / "c")


def test_divergence_is_named(sets: tuple[list[Encoded], list[Encoded]]) -> None:
    """Prevents hours of training on NaN."""
    model = make_tiny()
    with torch.no_grad():
        model.ln_f.weight.fill_(torch.inf)
    with pytest.raises(InputError, match="lower rate"):
        train(model, *sets, CONFIG)


def test_empty_sets_are_named(sets: tuple[list[Encoded], list[Encoded]]) -> None:
    """Prevents a division by zero in an empty evaluation."""
    with pytest.raises(InputError, match="validation_set"):
        train(make_tiny(), sets[0], [], CONFIG)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"micro_batch_size": 99},
        {"lr": 0},
        {"lr": float("nan")},
        {"warmup": 1.0},
        {"patience": 0},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    """Prevents a wrong number from surfacing as a crash in the middle of a run."""
    with pytest.raises(InputError, match=next(iter(wrong))):
        TrainConfig(**wrong)


def test_the_rate_rises_and_falls() -> None:
    """Prevents a first step at full rate, and a schedule that ends above a tenth."""
    rates = [learning_rate(s, 100, TrainConfig(lr=1.0, warmup=0.1)) for s in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == 1.0 and rates[-1] == pytest.approx(0.1)
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)


def test_norms_and_biases_do_not_decay() -> None:
    """Prevents weight decay from pulling layer norms towards zero."""
    model = make_tiny()
    decayed, free = make_optimizer(model, CONFIG).param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    names = {id(p): name for name, p in model.named_parameters()}
    assert all("ln_" in names[id(p)] or "bias" in names[id(p)] for p in free["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(names)


# --- stopping ---


def curve(train_losses: list[float], validation_losses: list[float]) -> History:
    validation = [Point(i, float(i), 0, loss, 10) for i, loss in enumerate(validation_losses)]
    return History([Point(i + 1, i + 1.0, 0, loss, 10) for i, loss in enumerate(train_losses)], validation)


def test_overfitting_is_found_where_it_turned() -> None:
    """Prevents naming the last epoch, or noise, as the turn."""
    found = detect_overfitting(curve([3, 2, 1, 0.5], [4.0, 3.0, 2.0, 2.5, 3.0]))
    assert found is not None and (found.turn.epoch, found.rise, found.train_fall) == (2, 1.0, 1.5)
    assert "turned at epoch 2 (2.000), then rose by 1.000" in str(found)


@pytest.mark.parametrize(
    ("train_losses", "validation_losses"),
    [
        ([3, 2, 1], [4, 3, 2, 1]),  # still learning
        ([3, 2, 2.5, 3], [4, 3, 2, 2.5, 3]),  # both rise: diverging
        ([3, 2, 1], [4, 3, 2, 2.005]),  # noise
        ([3], [2, 3]),  # one training loss shows no fall
        ([], [4]),
        ([], []),
    ],
)
def test_no_overfitting_where_there_is_none(train_losses: list[float], validation_losses: list[float]) -> None:
    """Prevents crying wolf."""
    assert detect_overfitting(curve(train_losses, validation_losses)) is None


def test_the_best_weights_come_back(sets: tuple[list[Encoded], list[Encoded]]) -> None:
    """Prevents keeping the last weights, or a reference that training overwrote."""
    model, stopping = make_tiny(), EarlyStopping(patience=1)
    best = weights(model)
    assert not stopping.update(1.0, model)
    with torch.no_grad():
        model.wte.weight.add_(1)
    assert stopping.update(1.0, model)  # equal is not better
    assert stopping.update(float("nan"), model)
    stopping.restore(model)
    assert same(weights(model), best)


def test_training_stops_when_patience_ends(sets: tuple[list[Encoded], list[Encoded]]) -> None:
    """Prevents early stopping that is configured and never asked."""
    other = [encode_example(Example("Name a river.", output="Tagus"), PHI3)]
    history = train(make_tiny(), sets[0], other, replace(CONFIG, epochs=50, lr=0.1, patience=2))
    assert history.train[-1].epoch < 50
    assert history.validation.index(history.best()) == len(history.validation) - 3


# --- a real kill ---

SCRIPT = """
import sys, torch
from tiny import make_tiny
from ift_lib.data import Example
from ift_lib.encoding import encode_example
from ift_lib.templates import PHI3
from ift_lib.training import TrainConfig, train
sets = [encode_example(Example(f"Count to {n}.", output=" ".join(map(str, range(n)))), PHI3) for n in range(1, 31)]
model = make_tiny(dropout=0.1)
train(model, sets[:25], sets[25:], TrainConfig(epochs=6, batch_size=4, lr=1e-3, patience=99), checkpoint=sys.argv[1],
      on_step=lambda p: print(p.step, flush=True))
torch.save([p.detach() for p in model.parameters()], sys.argv[2])
"""


def test_killed_and_started_again_is_bit_for_bit_the_same(tmp_path: Path) -> None:
    """Trap 19. Prevents a checkpoint that SIGKILL can halve, and a resume that is only nearly the same."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])}

    def run(name: str, kill_at: int | None = None) -> None:
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / f"{name}.safetensors"), str(tmp_path / f"{name}.pt")]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                if int(line) == kill_at:
                    process.send_signal(signal.SIGKILL)
        assert (process.returncode == 0) == (kill_at is None)

    run("whole")
    run("cut", kill_at=9)
    run("cut", kill_at=25)
    run("cut")
    whole, cut = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("whole", "cut"))
    assert same(whole, cut)
    assert not list(tmp_path.glob(".*.tmp"))


def test_history_survives_a_file(sets: tuple[list[Encoded], list[Encoded]], tmp_path: Path) -> None:
    """Prevents numbers that change when saved."""
    history = train(make_tiny(), *sets, replace(CONFIG, epochs=1))
    history.save(tmp_path / "h.json")
    assert History.load(tmp_path / "h.json") == history
    (tmp_path / "h.json").write_text(json.dumps({"train": 3}))
    with pytest.raises(InputError, match="no readable history"):
        History.load(tmp_path / "h.json")


def test_long_examples_are_trained_on_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a batch of long examples that takes gigabytes, and pieces that change the result."""
    examples = [Encoded((*range(1, 20 + i), EOT), 5) for i in range(10)]
    histories, widths = [], []
    for most in (2048, 64, 1):
        monkeypatch.setattr(training, "MOST_TOKENS", most)
        model, seen = make_tiny(), []
        model.register_forward_pre_hook(lambda module, args, seen=seen: seen.append(args[0].numel()))
        histories.append(train(model, examples, examples[:1], TrainConfig(epochs=1, batch_size=5, lr=1e-3)))
        widths.append(max(seen))
    assert widths[1] <= 64 < widths[0] and widths[2] <= 28
    for history in histories[1:]:
        for ours, whole in zip(history.validation, histories[0].validation, strict=True):
            assert ours.loss == pytest.approx(whole.loss, rel=1e-5)
