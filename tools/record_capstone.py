"""The recorded runs of the capstone: the baseline that is to be beaten, and an example solution that beats it.

python tools/record_capstone.py baseline    trains on starter.json; writes baseline.jsonl and task.json
python tools/record_capstone.py example     trains on example/data.json, two seeds; writes scores and answers beside it

All files are in ift_lib/assets/capstone/. Each run is one that `ift run` makes with the command that is written down
beside its numbers. The pocket model, one of the data files or the questions changed? Record both anew, in this order.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ift_lib.cli import main as ift
from ift_lib.course.score_command import MAX_NEW_TOKENS
from ift_lib.data import load_examples
from ift_lib.evaluation.heldout import CAPSTONE, file_sha256
from ift_lib.evaluation.language_models import fingerprint
from ift_lib.evaluation.verify import verify
from ift_lib.files import write_text
from ift_lib.generation import respond
from ift_lib.templates import TEMPLATES
from ift_lib.weights import load_pretrained

ROOT = Path(__file__).parents[1]
EXAMPLE = CAPSTONE / "example"
SEEDS = (123, 124)


def machine() -> str:
    """Where this runs, in words."""
    return f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def json_text(data: Any) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def command(data: Path, *options: str) -> list[str]:
    """The arguments of `ift` that make a run, as a person in the repository would write them."""
    return ["run", "--data", data.relative_to(ROOT).as_posix(), "--device", "cpu", *options]


def run(arguments: Sequence[str], out: Path) -> None:
    if code := ift([*arguments, "--out", str(out)]):
        raise SystemExit(code)


def record_baseline() -> None:
    """The default settings on the starter data, and its answers to the questions."""
    questions = load_examples(CAPSTONE / "heldout.json")
    arguments = command(CAPSTONE / "starter.json")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "baseline"
        run(arguments, out)
        model = load_pretrained(str(out / "model"))
    answers = respond(model, questions, TEMPLATES["alpaca"], max_new_tokens=MAX_NEW_TOKENS)
    lines = [
        json.dumps({"index": i, **asdict(question), "response": answer.text}, ensure_ascii=False)
        for i, (question, answer) in enumerate(zip(questions, answers, strict=True))
    ]
    write_text(CAPSTONE / "baseline.jsonl", "\n".join(lines) + "\n")
    right = sum(bool(verify(q, a.text)) for q, a in zip(questions, answers, strict=True))
    record = {
        "heldout_sha256": file_sha256(CAPSTONE / "heldout.json"),
        "baseline_sha256": file_sha256(CAPSTONE / "baseline.jsonl"),
        "questions": len(questions),
        "baseline_right": right,
        "baseline": {
            "command": "ift " + " ".join(arguments),
            "data_sha256": file_sha256(CAPSTONE / "starter.json"),
            "weights": fingerprint(model),
            "recorded_by": "python tools/record_capstone.py baseline",
            "machine": machine(),
            "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        },
    }
    write_text(CAPSTONE / "task.json", json_text(record))
    print(f"the baseline has {right} of {len(questions)} right")


def record_example() -> None:
    """The example solution with each seed, scored by `ift score` as a learner's run is."""
    scores = []
    with tempfile.TemporaryDirectory() as runs:  # one folder, so that the second seed counts as a second look
        for seed in SEEDS:
            arguments = command(EXAMPLE / "data.json", "--seed", str(seed))
            out = Path(runs) / f"seed-{seed}"
            run(arguments, out)
            if code := ift(["score", str(out)]):
                raise SystemExit(code)
            score = json.loads((out / "score" / "score.json").read_text(encoding="utf-8"))
            answers = (out / "score" / "answers.jsonl").read_text(encoding="utf-8")
            write_text(EXAMPLE / f"answers-{seed}.jsonl", answers)
            named = {"model": f"runs/seed-{seed}", "command": "ift " + " ".join(arguments)}
            scores.append({"seed": seed, **score, **named})
    where = {"recorded_by": "python tools/record_capstone.py example", "machine": machine()}
    where["date"] = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    write_text(EXAMPLE / "scores.json", json_text({**where, "runs": scores}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["baseline", "example"])
    {"baseline": record_baseline, "example": record_example}[parser.parse_args().what]()
