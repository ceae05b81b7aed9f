"""Chapter 4: what the checks say to right and to typical wrong answers, the map's counts, and the stored reference."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from learner import Say
from safetensors.torch import load_file
from torch import Tensor

from ift_lib.course.checks import loading as checks
from ift_lib.course.widgets.architecture_map import architecture, architecture_map, draw_architecture
from ift_lib.export import TRANSPOSED
from ift_lib.model import GPT, SIZES, GPTConfig, mode
from ift_lib.weights import POCKET, load_pretrained

# --- exercise 1 ---


def count(
    V: int, P: int, C: int, L: int, *, embeddings: int = 1, positions: int = 1, block: int = 0, last: int = 2
) -> int:
    """The right count, or one of the wrong ones."""
    return embeddings * V * C + positions * P * C + L * (12 * C * C + 13 * C + block) + last * C


def test_1_right(say: Say) -> None:
    assert say(checks.exercise_1, count).startswith("Exercise 1: right. ")
    assert say(checks.exercise_1, ...).startswith("Exercise 1: still to do")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda V, P, C, L: count(V, P, C, L, embeddings=2), "counted twice"),
        (lambda V, P, C, L: count(V, P, C, L, embeddings=0), "The token embedding is missing"),
        (lambda V, P, C, L: count(V, P, C, L, positions=0), "The position embedding is missing"),
        (lambda V, P, C, L: count(V, P, C, L, last=0), "ln_f, is missing"),
        (lambda V, P, C, L: count(V, P, C, L, last=1), "ln_f has a weight and a bias"),
        (lambda V, P, C, L: count(V, P, C, L, block=-9 * C), "biases of the four linear layers"),
        (lambda V, P, C, L: count(V, P, C, L, block=-13 * C), "Biases and layer norms of the blocks"),
        (lambda V, P, C, L: count(V, P, C, L, block=-4 * C), "The two layer norms of each block"),
        (lambda V, P, C, L: count(V, P, C, L, block=-2 * C), "one of its two layer norms, or"),
        (lambda V, P, C, L: count(V, P, C, L, block=-2 * C), "the bias of c_attn, which is 3 * n_embd long"),
        (lambda V, P, C, L: count(V, P, C, L, block=-2 * C * C), "three times as wide"),
        (lambda V, P, C, L: count(V, P, C, L, block=-2 * C * C - 2 * C), "3 * n_embd outputs"),
        (lambda V, P, C, L: count(V, P, C, L, block=-C * C - C), "attn.c_proj is missing"),
        (lambda V, P, C, L: count(V, P, C, L, block=-6 * C * C), "four times as wide inside"),
        (lambda V, P, C, L: count(V, P, C, 1), "That is one block"),
        (lambda V, P, C, L: 5, "one block 7,087,872, the last layer norm 1,536"),
        (lambda V, P, C, L: None, "is the `return` missing?"),
        (lambda V, P, C, L: "many", "must be a whole number, not 'many'"),
    ],
)
def test_1_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: shapes in the check so small that two mistakes give the same number, and the wrong one is named."""
    said = say(checks.exercise_1, answer)
    assert said.startswith("Exercise 1: not yet. ") and words in said


# --- exercise 2 ---


def read(model: GPT, ids: Tensor) -> Tensor:
    with mode(model, training=False), torch.no_grad():
        return model(ids)


def forgets(model: GPT, ids: Tensor) -> Tensor:
    model.eval()
    return model(ids)


def always_train(model: GPT, ids: Tensor) -> Tensor:
    logits = forgets(model, ids)
    model.train()
    return logits


def no_grad_only(model: GPT, ids: Tensor) -> Tensor:
    with torch.no_grad():
        return model(ids)


def seeded(model: GPT, ids: Tensor) -> Tensor:
    torch.manual_seed(0)
    return model(ids)


def changes_config(model: GPT, ids: Tensor) -> Tensor:
    model.config.dropout = 0.0  # type: ignore[misc]
    return model(ids)


def test_2_right(say: Say) -> None:
    assert say(checks.exercise_2, read).startswith("Exercise 2: right. ")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (forgets, "came in train mode and was left in eval mode. What is trained after"),
        (always_train, "came in eval mode and was left in train mode. Remember"),
        (no_grad_only, "dropout is still on. torch.no_grad() only saves memory"),
        (seeded, "only repeats the same noise"),
        (lambda model, ids: read(model, ids)[0, -1], "not one of shape (31,)"),
        (lambda model, ids: model.hidden(ids), "not one of shape (1, 5, 16). They are what the model"),
        (lambda model, ids: read(model, ids).softmax(-1), "These are probabilities"),
        (lambda model, ids: (read(model, ids), model.training), "the logits alone, and returned 2 things"),
        (lambda model, ids: None, "is the `return` missing?"),
    ],
)
def test_2_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: a seed passes for a repair, or the mode that was left behind is not looked at."""
    said = say(checks.exercise_2, answer)
    assert said.startswith("Exercise 2: not yet. ") and words in said


def test_2_frozen_config(say: Say) -> None:
    assert "FrozenInstanceError" in say(checks.exercise_2, changes_config)


# --- exercise 3 ---


def scores(q: Tensor, k: Tensor) -> Tensor:
    return q @ k.T / q.shape[1] ** 0.5


def future(q: Tensor, diagonal: int = 1) -> Tensor:
    return torch.ones(len(q), len(q), dtype=torch.bool).triu(diagonal)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return scores(q, k).masked_fill(future(q), -torch.inf).softmax(-1) @ v


def one_by_one(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.stack([(scores(q[t : t + 1], k[: t + 1]).softmax(-1) @ v[: t + 1])[0] for t in range(len(q))])


def in_place(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q /= q.shape[1] ** 0.5
    return attend(q * q.shape[1] ** 0.5, k, v)


def test_3_right(say: Say) -> None:
    assert say(checks.exercise_3, attend).startswith("Exercise 3: right. ")
    by_torch = lambda q, k, v: F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]  # noqa: E731
    assert "right" in say(checks.exercise_3, by_torch)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda q, k, v: scores(q, k).softmax(-1) @ v, "No mask"),
        (lambda q, k, v: scores(q, k).masked_fill(future(q).T, -torch.inf).softmax(-1) @ v, "the wrong side"),
        (lambda q, k, v: (q @ k.T).masked_fill(future(q), -torch.inf).softmax(-1) @ v, "square root of D."),
        (lambda q, k, v: attend(q / q.shape[1] ** 0.5, k, v), "divided by D; it is"),
        (lambda q, k, v: scores(q, k).softmax(-1).masked_fill(future(q), 0) @ v, "no longer sum to 1"),
        (lambda q, k, v: scores(q, k).masked_fill(future(q), 0).softmax(-1) @ v, "exp(0) is 1"),
        (lambda q, k, v: scores(q, k).tril().softmax(-1) @ v, "exp(0) is 1"),
        (lambda q, k, v: scores(q, k).masked_fill(future(q), -torch.inf).softmax(0) @ v, "down the columns"),
        (lambda q, k, v: attend(k, q, v), "Keys and queries changed places"),
        (lambda q, k, v: scores(q, k).masked_fill(future(q, 0), -torch.inf).softmax(-1) @ v, "There is NaN"),
        (lambda q, k, v: scores(q, k).masked_fill(future(q), -torch.inf).softmax(-1), "multiply them with v"),
        (lambda q, k, v: attend(q, k, v)[None], "has shape (1, 4, 3) instead of (4, 3)"),
        (lambda q, k, v: attend(q, k, v) + 1, "In order: scores"),
        (lambda q, k, v: attend(q * (q.shape[1] / len(q)) ** 0.5, k, v), "the square root of T, the number of tokens"),
        (lambda q, k, v: (attend(q, k, v), scores(q, k)), "the result alone, and returned 2 things"),
        (one_by_one, "there is still a loop over the positions"),
        (in_place, "the caller's q, k or v was changed"),
        (lambda q, k, v: None, "is the `return` missing?"),
    ],
)
def test_3_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: one message for ten mistakes that give ten different results."""
    said = say(checks.exercise_3, answer)
    assert said.startswith("Exercise 3: not yet. ") and words in said


# --- exercise 4 ---

PREFIX = "transformer."
BUFFERS = (".attn.bias", ".attn.masked_bias")


def to_state_dict(
    tensors: dict[str, Tensor],
    *,
    prefix: str = "transformer.",
    turn: Callable[[str, Tensor], bool] = lambda name, t: name.endswith(TRANSPOSED),
    drop: Callable[[str], bool] = lambda name: name.endswith(BUFFERS) or name == "lm_head.weight",
) -> dict[str, Tensor]:
    """The right loader, or with other rules a wrong one."""
    state = {}
    for key, t in tensors.items():
        name = key.removeprefix(prefix)
        if not drop(name):
            state[name] = t.T if turn(name, t) else t
    return state


def popping(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return to_state_dict({name: tensors.pop(name) for name in list(tensors)})


def turning_in_place(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    state = to_state_dict(tensors, turn=lambda name, t: False)
    return {name: t.t_() if name.endswith(TRANSPOSED) else t for name, t in state.items()}


CONV1D_BUT_SQUARE = ("attn.c_attn.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


def test_4_right(say: Say) -> None:
    assert say(checks.exercise_4, to_state_dict).startswith("Exercise 4: right. ")


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"turn": lambda n, t: n.endswith(CONV1D_BUT_SQUARE)}, "attn.c_proj.weight: not transposed. It is square"),
        ({"turn": lambda n, t: False}, "All four Conv1D matrices"),
        ({"turn": lambda n, t: t.ndim == 2}, "wte.weight, wpe.weight: transposed, but embeddings are stored"),
        ({"prefix": ""}, "Strip the prefix"),
        ({"drop": lambda n: n.endswith(("attn.bias", "masked_bias", "lm_head.weight"))}, "c_attn.bias is a parameter"),
        ({"drop": lambda n: n == "lm_head.weight"}, "These are buffers"),
        ({"drop": lambda n: n.endswith(".attn.bias") or n == "lm_head.weight"}, "two kinds of buffers"),
        ({"drop": lambda n: n.endswith(BUFFERS)}, "lm_head.weight: our model has no such name. Drop it"),
        ({"drop": lambda n: "bias" in n or n == "lm_head.weight"}, "catch too much"),
    ],
)  # fmt: skip
def test_4_wrong(say: Say, rules: dict[str, Any], words: str) -> None:
    """Bug: the square matrix passes here too, or the message names another tensor than the wrong one."""
    said = say(checks.exercise_4, lambda tensors: to_state_dict(tensors, **rules))
    assert said.startswith("Exercise 4: not yet. ") and words in said


def test_4_clever_by_shape(say: Say) -> None:
    """Bug: the loader of the exercise itself, which turns what does not fit."""

    def clever(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        C = tensors["transformer.wte.weight"].shape[1]
        widths = {"attn.c_attn.weight": (3 * C, C), "mlp.c_fc.weight": (4 * C, C), "mlp.c_proj.weight": (C, 4 * C)}
        return to_state_dict(tensors, turn=lambda n, t: any(n.endswith(e) and t.shape != s for e, s in widths.items()))

    assert "h.0.attn.c_proj.weight, h.1.attn.c_proj.weight: not transposed. It is square" in say(
        checks.exercise_4, clever
    )


def test_4_other_answers(say: Say) -> None:
    assert "is the `return` missing?" in say(checks.exercise_4, lambda tensors: None)
    assert "The values of the dict must be tensors" in say(
        checks.exercise_4, lambda tensors: {n: t.tolist() for n, t in to_state_dict(tensors).items()}
    )
    assert "Letters are lost" in say(
        checks.exercise_4, lambda tensors: to_state_dict({n.strip(PREFIX): t for n, t in tensors.items()})
    )
    assert "Letters are lost" in say(
        checks.exercise_4, lambda tensors: to_state_dict({n[12:]: t for n, t in tensors.items()})
    )
    assert "missing" in say(  # only files with the prefix
        checks.exercise_4, lambda tensors: to_state_dict({n: t for n, t in tensors.items() if n.startswith("trans")})
    )
    assert "`tensors` itself was changed" in say(checks.exercise_4, popping)
    assert "`tensors` itself was changed" in say(checks.exercise_4, turning_in_place)
    assert "not those of the file" in say(
        checks.exercise_4, lambda tensors: {n: t * 2 for n, t in to_state_dict(tensors).items()}
    )


# --- the reference ---


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    return json.loads((checks.REFERENCE / "logits.json").read_text(encoding="utf-8"))


def test_reference_logits_are_ours(reference: dict[str, Any]) -> None:
    """Bug: any mistake of loading or computing: the logits were made by another implementation."""
    with torch.no_grad():
        ours = load_pretrained(checks.REFERENCE)(torch.tensor(reference["ids"]))
    torch.testing.assert_close(ours, torch.tensor(reference["logits"]), atol=1e-4, rtol=0)


def test_the_mistakes_would_be_seen(reference: dict[str, Any]) -> None:
    """Bug: a reference so tame that a wrong model agrees with it."""
    model = load_pretrained(checks.REFERENCE)
    with torch.no_grad():
        for block in model.h:
            block.attn.c_proj.weight.copy_(block.attn.c_proj.weight.T.clone())
        wrong = model(torch.tensor(reference["ids"]))
    assert (wrong - torch.tensor(reference["logits"])).abs().max() > 1


def test_reference_file_has_all_four_oddities() -> None:
    """Bug: a file that no longer shows what the chapter says about it."""
    names = set(load_file(checks.REFERENCE / "model.safetensors"))
    assert {"transformer.h.1.attn.bias", "transformer.h.1.attn.masked_bias", "lm_head.weight"} <= names
    assert names == set(checks.stored_form(load_pretrained(checks.REFERENCE)))


def tool() -> ModuleType:
    path = Path(__file__).parents[1] / "tools" / "make_reference.py"
    spec = importlib.util.spec_from_file_location("make_reference", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_is_what_transformers_computes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: stored numbers that nobody can make again."""
    pytest.importorskip("transformers")
    module = tool()
    monkeypatch.setattr(module, "FOLDER", tmp_path / "reference")
    module.make()
    again = json.loads((tmp_path / "reference" / "logits.json").read_text(encoding="utf-8"))
    stored = json.loads((checks.REFERENCE / "logits.json").read_text(encoding="utf-8"))
    assert again["ids"] == stored["ids"]
    torch.testing.assert_close(torch.tensor(again["logits"]), torch.tensor(stored["logits"]), atol=1e-4, rtol=0)
    for name, t in load_file(tmp_path / "reference" / "model.safetensors").items():
        assert torch.equal(t, load_file(checks.REFERENCE / "model.safetensors")[name]), name


def test_pocket_beside_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: the chapter says that the tests compare the pocket model with transformers, and none does."""
    transformers = pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers.utils.logging.disable_progress_bar()
    theirs = transformers.AutoModelForCausalLM.from_pretrained(POCKET, dtype=torch.float32).eval()
    ids = torch.randint(0, 50257, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(load_pretrained("pocket")(ids), theirs(ids).logits, atol=1e-3, rtol=1e-4)


# --- the map ---


@pytest.mark.parametrize(
    "size", [*SIZES, GPTConfig(vocab_size=13, n_positions=5, n_embd=6, n_layer=3, n_head=2, n_inner=7)]
)
def test_map_counts_what_the_model_has(size: str | GPTConfig) -> None:
    """Bug: a formula that holds for one size."""
    config = SIZES[size] if isinstance(size, str) else size
    with torch.device("meta"):
        model = GPT(config)
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    for part in architecture(config):
        if part.shapes:
            stem = part.name.replace("h.", "h.0.")
            assert part.shapes == tuple(s for n, s in shapes.items() if n.rpartition(".")[0] == stem), part.name
    assert sum(part.total for part in architecture(config)) == model.parameter_count()


def test_map_as_a_picture() -> None:
    """Bug: numbers drawn that are not the ones returned, or a picture without words."""
    picture = draw_architecture("gpt2")
    assert picture.series["total"] == [(124_439_808,)]
    assert ("h.attn.c_attn", 1_771_776, 12, 21_261_312) in picture.series["parts"]
    assert "124,439,808 parameters" in picture.alt and "12 blocks" in picture.alt
    svg = picture.svg()
    assert "gpt2: 124,439,808 parameters" in svg and "none of its own (tied)" in svg


def test_map_widget_changes_with_the_size() -> None:
    """Bug: a choice that changes nothing."""
    widget = architecture_map()
    assert "19,315,456" in widget.view.value
    widget.size.value = "gpt2"
    assert "124,439,808" in widget.view.value and widget.view.value.startswith(
        '<img alt="Map of GPT-2 of the size gpt2'
    )
    assert [label for label, _ in widget.size.options][1:] == [
        "gpt2 (124M)", "gpt2-medium (355M)", "gpt2-large (774M)", "gpt2-xl (1558M)",
    ]  # fmt: skip
