"""The command line and the main job, with a tiny model and a small file of examples."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import make_tiny

from ift_lib import cli, load_adapter, merge_lora
from ift_lib.data import Example, save_examples
from ift_lib.export import export_pretrained
from ift_lib.history import History
from ift_lib.model import LAYOUTS
from ift_lib.weights import load_pretrained

FILES = {
    "config.json", "problems.json", "split.json", "before.json", "history.json", "losses.png",
    "responses.jsonl", "model", "machine.json", "report.html",
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data.json (30 examples) and tiny/ (a model), to work in."""
    monkeypatch.chdir(tmp_path)
    save_examples(
        "data.json", [Example(f"Count to {n}.", "", " ".join(map(str, range(n))), "count") for n in range(2, 32)]
    )
    export_pretrained(make_tiny(), tmp_path / "tiny")
    return tmp_path


RUN = "run --data data.json --model tiny --template phi3 --epochs 2 --batch-size 4 --max-new-tokens 5".split()


def weights(folder: Path) -> list[torch.Tensor]:
    return [p.detach() for p in load_pretrained(str(folder / "model")).parameters()]


def test_run_leaves_everything(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a run whose folder lacks what the report, the chat or a later evaluation needs."""
    assert cli.main([*RUN, "--out", "out"]) == 0
    assert {p.name for p in (place / "out").iterdir()} == FILES
    config = json.loads((place / "out/config.json").read_text())
    assert (config["template"], config["train"]["epochs"], config["train"]["lr"]) == ("phi3", 2, 5e-5)
    split = json.loads((place / "out/split.json").read_text())
    assert sorted(i for part in split.values() for i in part) == list(range(30))
    responses = [json.loads(line) for line in (place / "out/responses.jsonl").read_text().splitlines()]
    assert [r["index"] for r in responses] == split["test"]
    said = capsys.readouterr()
    assert "examples: 25 train, 2 validation, 3 test" in said.out and "ift chat out" in said.out
    assert "tokens/s" in said.err and "loss" in said.err


def test_options_do_what_they_say(place: Path) -> None:
    """Prevents an option that is parsed and forgotten."""
    more = [
        "--no-mask-prompt",
        "--batch-size",
        "5",
        "--micro-batch-size",
        "2",
        "--lr",
        "0.01",
        "--seed",
        "7",
        "--device",
        "cpu",
    ]
    assert cli.main([*RUN, *more]) == 0
    config = json.loads((place / "runs/1/config.json").read_text())
    assert config["device"] == "cpu" and config["train"] == config["train"] | {
        "mask_prompt": False, "batch_size": 5, "micro_batch_size": 2, "lr": 0.01, "seed": 7,
    }  # fmt: skip
    history = json.loads((place / "runs/1/history.json").read_text())
    assert [p["step"] for p in history["validation"]] == [0, 2, 5, 7, 10]
    assert cli.main(RUN) == 0 and (place / "runs/2/report.html").exists()


def test_every_layout_is_the_same_run(place: Path) -> None:
    """Prevents a fast run that ends elsewhere, and an option that goes nowhere."""
    curves = []
    for layout in LAYOUTS:
        assert cli.main([*RUN, "--lr", "0.001", "--layout", layout, "--out", layout]) == 0
        assert json.loads((place / layout / "machine.json").read_text())["layout"] == layout
        curves.append([p.loss for p in History.load(place / layout / "history.json").validation])
    assert curves[0][-1] < curves[0][0] - 0.1
    for curve in curves[1:]:
        assert curve == pytest.approx(curves[0], rel=1e-5)


def test_one_seed_is_one_result(place: Path) -> None:
    """Prevents hidden randomness anywhere between the file and the answers."""
    for out in ("a", "b"):
        assert cli.main([*RUN, "--out", out]) == 0
    for name in ("history.json", "split.json", "responses.jsonl", "losses.png", "model/model.safetensors"):
        assert (place / "a" / name).read_bytes() == (place / "b" / name).read_bytes(), name


def test_a_killed_run_resumes_to_the_same_weights(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Trap 19. Prevents a resume that is only nearly the same: SIGKILL at several moments, through the command line."""
    assert cli.main([*RUN, "--out", "whole"]) == 0
    script = """
import os, signal, sys
from ift_lib import cli, run
from ift_lib.course import progress
at, calls = int(sys.argv[1]), 0
def kill(self, progress):
    if progress.step == at:
        os.kill(os.getpid(), signal.SIGKILL)
progress.ProgressBar.__call__ = kill
if at == 99:
    run.respond = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
sys.exit(cli.main(sys.argv[2:]))
"""
    for at in (1, 6, 12, 99):
        arguments = [*RUN, "--out", "cut"] if at == 1 else ["run", "--resume", "cut"]
        if at == 99:
            (place / "cut/before.json").read_text()  # made before training, and kept
        process = subprocess.run([sys.executable, "-c", script, str(at), *arguments], capture_output=True, text=True)
        assert process.returncode == -signal.SIGKILL, process.stderr
        assert not (place / "cut/report.html").exists()
    (place / "cut/.checkpoint.safetensors.1.tmp").write_text("half")
    assert cli.main(["run", "--resume", "cut"]) == 0
    assert {p.name for p in (place / "cut").iterdir()} == FILES
    assert all(torch.equal(a, b) for a, b in zip(weights(place / "whole"), weights(place / "cut"), strict=True))
    assert (place / "whole/responses.jsonl").read_text() == (place / "cut/responses.jsonl").read_text()
    capsys.readouterr()
    assert cli.main(["run", "--resume", "cut"]) == 2 and "this run is finished" in capsys.readouterr().err


def test_resume_refuses_what_would_be_another_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a run continued on other data, with other options, or from nothing."""
    assert cli.main(["run", "--resume", "nowhere"]) == 2
    assert "holds no run to resume" in capsys.readouterr().err
    assert cli.main(["run", "--resume", "out", "--epochs", "9"]) == 2
    assert "leave out --epochs" in capsys.readouterr().err
    assert cli.main([*RUN, "--out", "out"]) == 0
    (place / "out/report.html").unlink()
    (place / "data.json").write_text((place / "data.json").read_text().replace("Count to 3", "Count up to 3"))
    assert cli.main(["run", "--resume", "out"]) == 2
    assert "has changed since the run began" in capsys.readouterr().err


def entry(**changes: object) -> dict[str, object]:
    return {"instruction": "Say it.", "input": "", "output": "It."} | changes


BROKEN_FILES = {
    "truncated": (b'[{"instruction": "a", "output": "b"}, {"instru', "broken JSON"),
    "empty": (b"", "empty"),
    "latin-1": ('[{"instruction": "caf\u00e9", "output": "b"}]'.encode("latin-1"), "not UTF-8"),
    "utf-16": ('[{"instruction": "a", "output": "b"}]'.encode("utf-16"), "not UTF-8"),
    "10,000 words": (
        json.dumps([entry()] * 30 + [entry(output="word " * 10_000)]).encode(),
        "entry 30: .*10,000 words",
    ),
    "too long for the model": (json.dumps([entry()] * 30 + [entry(output="word " * 150)]).encode(), "entry 30: needs"),
    "two faults": (json.dumps([entry(output=""), entry(), {"input": 3}]).encode(), "(?s)2 entries.*entry 0.*entry 2"),
    "one example": (json.dumps([entry()]).encode(), "too few to split"),
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_broken_data_is_one_error_and_leaves_nothing(
    place: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Prevents a traceback, or a run folder with half of a run, as the answer to a wrong file."""
    content, message = BROKEN_FILES[name]
    (place / "broken.json").write_bytes(content)
    assert cli.main(["run", "--data", "broken.json", "--model", "tiny", "--out", "out"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("ift: error: broken.json: ") or name == "one example"
    assert re.search(message, error), error
    assert not (place / "out").exists()


def test_faulty_entries_can_be_left_out_but_not_in_silence(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents --skip-problems from shifting indices or hiding what it skipped."""
    good = json.loads((place / "data.json").read_text())
    (place / "mixed.json").write_text(json.dumps([entry(output=""), *good, entry(output="word " * 150)]))
    assert cli.main([*RUN, "--data", "mixed.json", "--out", "out", "--skip-problems"]) == 0
    assert "note: entry 0: 'output' is empty" in (said := capsys.readouterr().out) and "note: entry 31: needs" in said
    split = json.loads((place / "out/split.json").read_text())
    assert sorted(i for part in split.values() for i in part) == list(range(1, 31))
    assert len(json.loads((place / "out/problems.json").read_text())) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nothing.json"], "nothing.json: no such file"),
        (["--data", "tiny"], "--data tiny: "),
        (["--model", "nothing"], "nothing"),
        (["--epochs", "0"], "epochs=0: must be at least 1"),
        (["--lr", "-1"], "lr=-1.0: must be"),
        (["--micro-batch-size", "99"], "micro_batch_size=99"),
        (["--device", "cuda:77"], "not on this machine"),
        (["--device", "abacus"], "unknown; choose"),
        (["--max-new-tokens", "0"], "max_new_tokens=0"),
        (["--out", "tiny"], "exists already"),
        (["--out", "data.json"], "exists already"),
        (["--lr", "1e30"], "start again with a lower rate"),
    ],
)
def test_wrong_options_are_one_error(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Prevents a traceback for a slip of the finger."""
    assert cli.main([*RUN, "--out", "out", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_weights_of_a_wrong_shape_are_one_error(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents loading what does not fit, or a run folder made before that is known."""
    config = json.loads((place / "tiny/config.json").read_text())
    (place / "tiny/config.json").write_text(json.dumps(config | {"n_embd": 32}))
    assert cli.main([*RUN, "--out", "out"]) == 2
    assert "has shape (48,) instead of (96,)" in capsys.readouterr().err and not (place / "out").exists()


def test_openais_weights_offline_are_one_error(place: Path) -> None:
    """Prevents a page of tracebacks from the hub's client on a train."""
    command = [sys.executable, "-m", "ift_lib", "run", "--model", "gpt2", "--data", "data.json", "--out", "out"]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(place / "cache")}
    process = subprocess.run(command, env=env, capture_output=True, text=True)
    assert process.returncode == 2 and "Traceback" not in process.stderr
    assert "model.safetensors" in process.stderr and "--model" in process.stderr
    assert not (place / "out").exists()


def test_a_full_disk_is_one_error_and_no_half_file(place: Path) -> None:
    """Prevents half a checkpoint, or half a model that opens and answers nonsense."""
    resource = pytest.importorskip("resource", reason="Windows has no limit on file sizes")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))  # the checkpoint is larger

    command = [sys.executable, "-m", "ift_lib", *RUN, "--out", "out"]
    process = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True)
    assert process.returncode == 2 and "Traceback" not in process.stderr, process.stderr
    assert {p.name for p in (place / "out").iterdir()} == {"config.json", "problems.json", "split.json", "before.json"}
    assert cli.main(["run", "--resume", "out"]) == 0  # with room again, it goes on


def test_an_unwritable_place_is_one_error(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents training for minutes and then finding no place for the result."""
    assert cli.main([*RUN, "--out", "data.json/out"]) == 2
    assert capsys.readouterr().err.startswith("ift: error: ")


def test_chat_answers(place: Path) -> None:
    """Prevents a fine-tuned model nobody can talk to; and terminal codes that a model says from being obeyed."""
    assert cli.main([*RUN, "--out", "out"]) == 0
    command = [sys.executable, "-m", "ift_lib", "chat", "out", "--max-new-tokens", "3"]
    process = subprocess.run(command, input="Count to 4.\n\nCount\nto 3\n", capture_output=True, text=True, check=True)
    assert process.stdout.count("instruction>") == 3 and process.stdout.count("input>") == 2
    assert cli.main(["chat", "nowhere"]) == 2


def test_doctor_reports(capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a bug form without the facts."""
    assert cli.main(["doctor"]) == 0
    report = capsys.readouterr().out
    for fact in ("python", "runs in", "memory", torch.__version__, "instructions.json", "model.safetensors", "sha256"):
        assert fact in report
    assert "MISSING" not in report


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["chat", "--help"]])
def test_help_reads_well(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents help that shows internals (==SUPPRESS==, None, a path of the installation)."""
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert not any(word in text for word in ("SUPPRESS", "None", "site-packages", "assets"))


def test_wrong_usage_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a typo from doing something else."""
    for arguments in ([], ["fly"], ["run", "--template", "papyrus"], ["run", "--epochs", "many"]):
        with pytest.raises(SystemExit) as end:
            cli.main(arguments)
        assert end.value.code == 2


# --- adapters ---


def test_run_with_adapters(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents a folder whose answers, model and adapter are three different models; and a size nobody can look up."""
    assert cli.main([*RUN, "--lora", "2", "--lora-targets", "c_attn", "c_fc", "--out", "out"]) == 0
    assert {p.name for p in (place / "out").iterdir()} == FILES | {"adapter"}
    config = json.loads((place / "out/config.json").read_text())
    assert config["lora"] == {"rank": 2, "alpha": None, "targets": ["c_attn", "c_fc"], "dropout": 0.0}
    assert config["train"]["lr"] == pytest.approx(5e-4)
    assert "rank 2: 576 parameters are trained" in capsys.readouterr().out
    base, merged = load_pretrained("tiny"), load_pretrained("out/model")
    adapted = merge_lora(load_adapter(base, "out/adapter"))
    for (name, p), q in zip(merged.named_parameters(), adapted.parameters(), strict=True):
        assert torch.equal(p, q), name
    described = json.loads((place / "out/adapter/adapter_config.json").read_text())
    assert (described["r"], described["lora_alpha"]) == (2, 4)
    assert Path(described["base_model_name_or_path"]) == (place / "tiny").resolve()


def test_adapters_resume(place: Path) -> None:
    """Prevents a resumed run that trains all weights, or begins with other adapters."""
    arguments = [*RUN, "--lora", "2", "--lora-alpha", "6", "--lr", "0.01"]
    assert cli.main([*arguments, "--out", "whole"]) == 0
    code = (
        "import os, sys\nfrom ift_lib import cli\nfrom ift_lib.course.progress import ProgressBar\n"
        "told = ProgressBar.__call__\n"
        "ProgressBar.__call__ = lambda bar, p: os._exit(9) if p.step == 9 else told(bar, p)\ncli.main(sys.argv[1:])"
    )
    assert subprocess.run([sys.executable, "-c", code, *arguments, "--out", "cut"]).returncode == 9
    assert cli.main(["run", "--resume", "cut"]) == 0
    assert all(torch.equal(p, q) for p, q in zip(weights(place / "whole"), weights(place / "cut"), strict=True))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--lora", "0"], "rank 0: must be at least 1"),
        (["--lora", "2", "--lora-alpha", "-1"], "alpha -1.0"),
        (["--lora", "2", "--lora-targets", "q_proj"], "targets q_proj: no such linear layer"),
        (["--lora-alpha", "2"], "give --lora RANK too"),
    ],
)
def test_impossible_adapters_are_refused(
    place: Path, capsys: pytest.CaptureFixture[str], wrong: list[str], said: str
) -> None:
    """Prevents a traceback, or a run of another kind than was asked for."""
    assert cli.main([*RUN, *wrong]) == 2
    assert said in capsys.readouterr().err
