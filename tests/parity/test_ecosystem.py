"""The exported model where others open it: transformers' pipelines and a real lm_eval answer as we do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from optional import need
from tiny import make_tiny

from ift_lib.data import Example
from ift_lib.encoding import encode_example
from ift_lib.evaluation.language_models import GPTLanguageModel
from ift_lib.export import export_pretrained
from ift_lib.generation import respond
from ift_lib.model import GPT
from ift_lib.templates import ALPACA, TEMPLATES, Template
from ift_lib.training import TrainConfig, train
from ift_lib.weights import load_pretrained

transformers = need("transformers")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # theirs

FRUITS = "apple pear plum cherry lemon melon fig grape".split()
EXAMPLES = [Example(f"Say {fruit} {n} times.", "", " ".join([fruit] * n)) for n in (1, 2, 3) for fruit in FRUITS]


def tuned(template: Template) -> GPT:
    """A tiny model that has learned to say fruits, and to stop."""
    model = make_tiny(n_embd=64, n_head=4)
    encoded = [encode_example(e, template) for e in EXAMPLES]
    train(model, encoded, encoded[:4], TrainConfig(epochs=12, batch_size=8, lr=0.01, evals_per_epoch=1))
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fine-tuned model in the Alpaca format, exported."""
    transformers.utils.logging.disable_progress_bar()
    path = tmp_path_factory.mktemp("exported") / "model"
    export_pretrained(tuned(ALPACA), path, template=ALPACA)
    return path


def chats(examples: list[Example]) -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": f"  {e.instruction}\n"}] for e in examples]


@pytest.mark.parametrize("batch_size", [1, 4])
def test_the_pipeline_answers_as_we_do(folder: Path, batch_size: int) -> None:
    """Bug: another prompt, a beginning token, sampling unasked, no end, or left padding that shifts positions."""
    pipeline = transformers.pipeline("text-generation", str(folder))
    pipeline.tokenizer.padding_side = "left"
    told = pipeline(chats(EXAMPLES), max_new_tokens=12, batch_size=batch_size)
    theirs = [reply[0]["generated_text"][-1]["content"].strip() for reply in told]
    ours = respond(load_pretrained(folder), EXAMPLES, ALPACA, max_new_tokens=12)
    assert theirs == [answer.text for answer in ours]
    assert len(set(theirs)) > 1 and any(answer.ended for answer in ours)


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda t: t.name)
def test_chats_are_rendered_as_they_were_trained_on(tmp_path: Path, template: Template) -> None:
    """Bug: a system message dropped, spaces at the ends kept, or an earlier answer without its closing marker."""
    export_pretrained(make_tiny(), tmp_path / "m", template=template)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
    messages = [
        {"role": "system", "content": " Be brief. "},
        {"role": "user", "content": "\nHi?  "},
        {"role": "assistant", "content": " Hello. "},
        {"role": "user", "content": "Bye?"},
    ]
    first, answer = template.render(Example("Be brief.\nHi?", "", "Hello."))
    expected = first + answer + "<|endoftext|>" + template.prompt(Example("Bye?"))
    assert tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == expected
    ids = tokenizer.apply_chat_template(messages[:2], add_generation_prompt=True, return_dict=False)
    assert ids == list(encode_example(Example("Be brief.\nHi?", "", "x"), template).ids[: len(ids)])


TASKS: dict[str, dict[str, Any]] = {
    "fruit_answers": {
        "output_type": "generate_until",
        "doc_to_text": "{{instruction}}",
        "doc_to_target": "{{output}}",
        "generation_kwargs": {"until": ["<|endoftext|>"], "max_gen_toks": 12, "do_sample": False},
        "metric_list": [{"metric": "exact_match"}],
    },
    "fruit_choices": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{instruction}}",
        "doc_to_choice": FRUITS,
        "doc_to_target": "{{fruit}}",
        "target_delimiter": "",
        "metric_list": [{"metric": "acc"}],
    },
}


def test_lm_eval_answers_as_we_do(folder: Path, tmp_path: Path) -> None:
    """Bug: a model that the field's own command line does not open, or scores as another model."""
    need("lm_eval")
    rows = [
        {"instruction": e.instruction, "output": e.output, "fruit": i % len(FRUITS)} for i, e in enumerate(EXAMPLES)
    ]
    data = tmp_path / "data.json"
    data.write_text(json.dumps(rows))
    local = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(data)}}, "test_split": "test"}
    for name, task in TASKS.items():
        (tmp_path / f"{name}.yaml").write_text(json.dumps({"task": name, **local, **task}))
    command = [sys.executable, "-m", "lm_eval", "--model", "hf", "--model_args", f"pretrained={folder}"]
    command += ["--tasks", ",".join(TASKS), "--include_path", str(tmp_path), "--apply_chat_template", "--device", "cpu"]
    command += ["--batch_size", "4", "--log_samples", "--output_path", str(tmp_path / "out")]
    environment = {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(tmp_path / "cache"),
        "TOKENIZERS_PARALLELISM": "false",
    }
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]

    def samples(task: str) -> list[Any]:
        (path,) = (tmp_path / "out").rglob(f"samples_{task}_*.jsonl")
        found = sorted((json.loads(line) for line in path.read_text().splitlines()), key=lambda s: s["doc_id"])
        return [sample["resps"] for sample in found]

    model = load_pretrained(folder)
    ours = respond(model, EXAMPLES, ALPACA, max_new_tokens=12)
    assert [reply[0][0].strip() for reply in samples("fruit_answers")] == [answer.text for answer in ours]
    pairs = [(ALPACA.prompt(e), fruit) for e in EXAMPLES for fruit in FRUITS]
    expected = [told.logprob for told in GPTLanguageModel(model).loglikelihood(pairs)]
    found = [float(reply[0][0]) for replies in samples("fruit_choices") for reply in replies]
    assert found == pytest.approx(expected, abs=1e-3)
