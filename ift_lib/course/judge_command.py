"""`ift judge`: ask a judge about every test answer of a run, and write down what it says.

    RUN/judge-JUDGE.jsonl        every verdict, as it comes; the same command goes on where it stopped
        judge-JUDGE-ASK.json     the numbers of one question

`ift compare` and `ift review` are beside it, in `compare_command` and `review_command`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ift_lib.course.judging import JUDGING
from ift_lib.course.show import visible
from ift_lib.errors import InputError
from ift_lib.evaluation.items import Item, load_items
from ift_lib.evaluation.judge import (
    PAIR_FIRST,
    PAIR_SECOND,
    REASON,
    RUBRIC,
    SCORE,
    Ask,
    Judge,
    Verdict,
    settle,
    sha256,
    summarize,
)
from ift_lib.evaluation.judge_backends import OllamaJudge, OpenAIJudge, OpenAITokenJudge, RecordedJudge, Usage
from ift_lib.evaluation.judge_check import findings_table, position
from ift_lib.evaluation.judge_local import LetterJudge, LocalJudge
from ift_lib.evaluation.judge_run import judge_items, read_log
from ift_lib.evaluation.metrics import bootstrap_interval
from ift_lib.evaluation.mtbench import games_of, pair_results
from ift_lib.files import write_text

ASKS: dict[str, Sequence[Ask]] = {
    "score": [SCORE],
    "reason": [REASON],
    "rubric": [RUBRIC],
    "pair": [PAIR_FIRST, PAIR_SECOND],
}
RECORDING = JUDGING / "recorded.jsonl"
# Where it could write what it liked, the recorded judge wrote nothing that can be read. Of these questions there is
# a recording in which it could write only what was asked for; the prompts are the same.
_RECORDED_AS = {
    "score": "score-choice",
    "rubric": "rubric-choice",
    "pair-first": "pair-first-choice",
    "pair-second": "pair-second-choice",
}
JUDGES = """recorded (replies of a small model to the forty answers that come with the course), ollama:MODEL,
openai:MODEL@URL (any server with OpenAI's chat API; a key is read from OPENAI_API_KEY), local:FOLDER (a model that
transformers can load) or local:FOLDER/FILE.gguf"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of `ift judge`."""
    parser.description = "Ask a judge about every test answer. The same command goes on where it was stopped."
    parser.add_argument(
        "run",
        metavar="RUN",
        nargs="?",
        help="folder of a finished run (default: the forty answers that come with the course, into runs/shipped)",
    )
    parser.add_argument("--judge", default="recorded", metavar="JUDGE", help=f"{JUDGES} (default: recorded)")
    parser.add_argument(
        "--ask",
        choices=list(ASKS),
        default="score",
        help="score 0 to 100, the same with a reason, a grade 1 to 5, or the better of the answers before and after "
        "fine-tuning, asked in both orders (default: score)",
    )
    add_how(parser)
    parser.set_defaults(do=_judge)


def add_how(parser: argparse.ArgumentParser) -> None:
    """The options of every command that asks a judge."""
    parser.add_argument("--workers", type=_positive, default=1, help="questions open at a time (default: 1)")
    parser.add_argument("--limit", type=_positive, metavar="N", help="only the first N answers")


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number, at least 1")
    return int(text)


def _judge(args: argparse.Namespace) -> None:
    folder = Path(args.run) if args.run else Path("runs") / "shipped"
    items = load_items(args.run or JUDGING / "responses.jsonl")[: args.limit]
    if not items:
        raise InputError(f"{folder}: holds no answers")
    if args.ask == "pair" and (lacking := sum(item.before is None for item in items)):
        raise InputError(f"{folder}: {lacking} answers have none from before fine-tuning beside them; ask for a score")
    if args.judge == "recorded":
        items = _recorded(items, args.ask)
    folder = folder.parent if folder.is_file() else folder
    name = re.sub(r"[^\w.]+", "-", args.judge).strip("-")
    log, numbers = folder / f"judge-{name}.jsonl", folder / f"judge-{name}-{args.ask}.json"
    runs, usage = _ask(args, items, log)
    found, table = (
        _pair_report(items, *runs) if args.ask == "pair" else _score_report(items, runs[0], ASKS[args.ask][0])
    )
    found = {"judge": args.judge, "ask": args.ask, "answers": len(items)} | found
    write_text(numbers, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print(f"judge {visible(args.judge)}, question {args.ask}, {len(items)} answers\n{table}")
    if failed := next((v.error for verdicts in runs for v in verdicts if v.error), ""):
        print(f"why it failed, the first time: {visible(failed)}")
    if usage is not None:
        print(f"asked {usage.requests} times: {usage.prompt_tokens:,} tokens sent, {usage.reply_tokens:,} received")
    print(f"the numbers: {numbers}\nevery verdict: {log}")


def _ask(args: argparse.Namespace, items: Sequence[Item], out: Path) -> tuple[list[list[Verdict]], Usage | None]:
    """The verdicts on each question of `--ask`, and what asking has cost, where the judge counts it."""
    runs, judge = [], None
    for ask in ASKS[args.ask]:
        if judge is None or args.judge == "recorded":  # a recording answers one question
            judge = make_judge(args.judge, ask.name)
        with progress(len(items), ask.name) as bar:
            told = judge_items(
                items,
                judge,
                ask,
                out=out,
                judge_name=args.judge,
                workers=args.workers,
                on_verdict=lambda _, bar=bar: bar.update(),  # type: ignore[misc]
            )
        runs.append(told)
    return runs, getattr(judge, "usage", None)


def make_judge(spec: str, question: str) -> Judge:
    """The judge that a `--judge` names, for a question by its name. Raises InputError for a name that is none."""
    kind, _, rest = spec.partition(":")
    letters = question == "letters"
    if spec == "recorded":
        return RecordedJudge(RECORDING, _RECORDED_AS.get(question, question))
    if kind == "ollama" and rest and not letters:
        return OllamaJudge(rest)
    if kind == "openai" and "@" in rest:
        model, _, url = rest.rpartition("@")
        server = OpenAITokenJudge if letters else OpenAIJudge
        return server(url, model, api_key=os.environ.get("OPENAI_API_KEY", ""))
    if kind == "local" and rest:
        path = Path(rest)
        gguf = path.name if path.suffix == ".gguf" else None
        local = LocalJudge(path.parent if gguf else path, gguf_file=gguf)
        return LetterJudge(local) if letters else local
    which = "a judge that tells log-probabilities: openai:MODEL@URL or local:FOLDER" if letters else JUDGES
    raise InputError(f"--judge {spec}: must be {' '.join(which.split())}")


def progress(total: int, what: str) -> Any:
    """A bar on the error stream."""
    return tqdm(total=total, desc=what, unit="answer", dynamic_ncols=True)


def _recorded(items: Sequence[Item], name: str) -> list[Item]:
    """The items that the recorded judge was asked about, to the letter; InputError without any."""
    lines = read_log(RECORDING)
    known = {line["prompt_sha256"] for line in lines}
    there = [item for item in items if sha256(ASKS[name][0].prompt(item)) in known]
    if not there:
        raise InputError(
            "--judge recorded: holds replies to the answers that come with the course, and to none of these; name a "
            "judge that can be asked, such as --judge ollama:llama3"
        )
    print(f"recorded: {lines[0]['judge']}, a weak judge; its replies are real, and were written down once")
    if len(there) < len(items):
        print(f"the recorded judge was asked about {len(there)} of these {len(items)} answers; the others are left out")
    return there


# --- the numbers ---

Report = tuple[dict[str, Any], str]
"""Numbers for a file, and text to read."""


def _score_report(items: Sequence[Item], verdicts: Sequence[Verdict], ask: Ask) -> Report:
    """Ours and the book's mean, and ours by category, as JSON and as text."""
    summary = summarize(verdicts, ask)
    points = [float(ask.lowest if v.score is None else v.score) for v in verdicts]
    low, high = bootstrap_interval(points, seed=0)
    groups: dict[str, list[float]] = defaultdict(list)
    for item, value in zip(items, points, strict=True):
        groups[item.category or "no category"].append(value)
    means = {category: sum(values) / len(values) for category, values in sorted(groups.items())}
    numbers = {
        "scored": summary.scored,
        "unreadable": summary.unreadable,
        "failed": summary.failed,
        "mean": summary.mean,
        "interval": [low, high],
        "mean_at_best": summary.mean_at_best,
        "book_mean": summary.book_mean,
        "book_scored": summary.book_scored,
        "by_category": means,
    }
    lines = [f"{visible(name)[:30]:30} {len(groups[name]):7} {mean:8.2f}" for name, mean in means.items()]
    table = "\n".join([f"{'category':30} {'answers':>7} {'mean':>8}", *lines])
    return numbers, f"{table}\n{summary}\n95% interval of the mean over all: {low:.2f} to {high:.2f}"


def _pair_report(items: Sequence[Item], first: Sequence[Verdict], second: Sequence[Verdict]) -> Report:
    """Wins over the answers before fine-tuning, and what the seats did."""
    games = [games_of("after", "before", a.score, b.score) for a, b in zip(first, second, strict=True)]
    table = pair_results(games, baseline="before")
    outcomes = [settle(a.score, b.score) for a, b in zip(first, second, strict=True)]
    numbers: dict[str, Any] = {"wins": outcomes.count(1), "losses": outcomes.count(-1), "ties": outcomes.count(0)}
    numbers |= {"without_verdict": table.dropped}
    record = table.results.get("after")
    numbers["adjusted_win_rate"] = record.adjusted_win_rate if record else None
    rate = f"{record.adjusted_win_rate:.1%}" if record else "not known"
    text = (
        f"after against before: {numbers['wins']} wins, {numbers['losses']} losses, {numbers['ties']} ties, "
        f"{table.dropped} of {len(items)} without a verdict in both orders\n"
        f"adjusted win rate, a tie as half a win, as MT-bench counts: {rate}\n"
        f"{findings_table(position(first, second))}"
    )
    return numbers, text
