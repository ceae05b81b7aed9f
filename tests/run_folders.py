"""Run folders for the tests of the report: an ordinary answer, a history, and texts that attack the page."""

from __future__ import annotations

import json
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from ift_lib.history import History, Point

EVIL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)><iframe src=http://evil.example></iframe>",
    "</dd></dl></details></script></style>--><form action=http://evil.example>",
    "\x1b[31mred\x1b[0m \x00\x00\x00\x00 \x9b2J \x7f",
    "\u202eturned\u202c \u2066isolated\u2069 \u200bzero\ufeff",
    "שלום, mixed עברית",
    "word " * 20_000,
    "W" * 3_000,
    "\n" * 300 + "deep",
    "half \ud800 a pair",
    "$title ${css} %s {0}",
    "' \" & &lt; &#0;",
]


class Tags(HTMLParser):
    """The tags and the event handlers that a browser would see in `html`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.handlers: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def make_answer(**changes: Any) -> dict[str, Any]:
    answer = {
        "index": 7,
        "instruction": "Write the plural.",
        "input": "leaf",
        "output": "leaves",
        "category": "plural",
        "prompt": "...",
        "before": "some leaves",
        "response": "leaves",
        "ended": True,
        "exact_match": 1,
        "token_f1": 1.0,
        "rouge_l": 1.0,
        "verified": True,
    }
    return answer | changes


def make_history(losses: tuple[float, ...] = (3.0, 2.0, 1.5, 1.9)) -> History:
    """Ten steps between two evaluations; training loss falls."""
    train = [Point(s, s / 10, 40 * s, 3 - s / 15, 30) for s in range(1, 10 * (len(losses) - 1) + 1)]
    return History(train, [Point(10 * i, float(i), 400 * i, loss, 99) for i, loss in enumerate(losses)])


def make_run(folder: Path, answers: list[dict[str, Any]], history: History | None = None, **files: Any) -> Path:
    """Write a run folder; `files` replaces the content of config, split, machine or problems."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "config": {
            "data": "C:\\my data\\leaves.json",
            "model": "pocket",
            "train": {"lr": 5e-4, "seed": 123},
            "mask_prompt": True,
            "out": None,
        },
        "split": {"train": [0, 1], "validation": [2], "test": list(range(3, 3 + len(answers)))},
        "machine": {
            "device": "cpu",
            "python": "3.11.7",
            "torch": "2.13.0",
            "seconds": {"train": 187.3, "total": 224.0},
            "peak_memory_gb": 1.13,
            "parameters": 19_100_000,
        },
        "problems": [],
    }
    for name, content in (contents | files).items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    (history or make_history()).save(folder / "history.json")
    lines = [json.dumps(answer) for answer in answers]
    (folder / "responses.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
