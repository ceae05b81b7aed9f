"""A data set you can trust: examples, their problems, their duplicates, and an honest split."""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ift_lib.errors import InputError
from ift_lib.files import write_text

EMBEDDED = Path(__file__).parent / "assets" / "instructions.json"
"""The course's own data set."""


@dataclass(frozen=True)
class Example:
    """One instruction, the text it is about (may be empty), the answer wanted, and the kind of task (may be empty)."""

    instruction: str
    input: str = ""
    output: str = ""
    category: str = ""


@dataclass(frozen=True)
class Problem:
    """Something wrong with entry `index` (from 0) of a file. `fatal` problems keep the entry from being used."""

    index: int
    message: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"entry {self.index}: {self.message}"


# --- reading ---

MAX_WORDS = 2000
"""No entry longer than this fits GPT-2's 1,024 tokens, in any language."""
# Everything below U+0020 but tab and line ends, DEL, and the C1 block: invisible, and never typed on purpose.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Examined:
    """What is in a data file: the usable examples by the index of their entry, and every problem found."""

    examples: dict[int, Example]
    problems: list[Problem]


def examine(path: str | Path) -> Examined:
    """Read a data file and look at every entry. Formats, told apart by the fields an entry has:

        Alpaca      {"instruction", "input" (optional), "output", "category" (optional)}
        Dolly       {"instruction", "context" (optional), "response", "category" (optional)}
        chat        {"messages": [{"role": "user", "content"}, {"role": "assistant", "content"}]}; system allowed first

    The file is a JSON list or JSONL, UTF-8 with or without a byte-order mark. Texts are stripped at both ends.
    Raises InputError when the file as a whole cannot be read: missing, empty, not UTF-8, broken JSON (with the place).
    """
    examples: dict[int, Example] = {}
    problems: list[Problem] = []
    first_seen: dict[Example, int] = {}
    for index, entry in enumerate(_read_entries(Path(path))):
        example, faults = _parse_entry(entry)
        problems += [Problem(index, fault) for fault in faults]
        if example is not None:
            examples[index] = example
            if (first := first_seen.setdefault(example, index)) != index:
                problems.append(
                    Problem(index, f"an exact copy of entry {first}; a split keeps both on one side", fatal=False)
                )
    return Examined(examples, problems)


def find_problems(path: str | Path) -> list[Problem]:
    """Every problem of a data file, with the index of its entry; raises as `examine`."""
    return examine(path).problems


def load_examples(path: str | Path, skip_problems: bool = False) -> list[Example]:
    """The examples of a data file, in its order; see `examine` for the formats.

    Raises InputError that lists every entry that cannot be used, unless `skip_problems` leaves those out.
    """
    examined = examine(path)
    if not skip_problems:
        refuse(path, examined.problems)
    return list(examined.examples.values())


def refuse(path: str | Path, problems: Sequence[Problem]) -> None:
    """Raise InputError if any of `problems` is fatal, listing those."""
    if fatal := [p for p in problems if p.fatal]:
        lines = [f"  {p}" for p in fatal[:50]] + ([f"  … and {len(fatal) - 50:,} more"] if len(fatal) > 50 else [])
        count = len({p.index for p in fatal})
        raise InputError(
            f"{path}: {count:,} {'entry' if count == 1 else 'entries'} cannot be used:\n" + "\n".join(lines) + "\n"
            "Mend the file, or go on without them: --skip-problems (in Python: skip_problems=True)"
        )


def _read_entries(path: Path) -> list[Any]:
    """The raw entries of a JSON list or a JSONL file."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as e:
        raise InputError(f"{path}: no such file; give the path of a .json or .jsonl data file") from e
    except UnicodeDecodeError as e:
        raise InputError(f"{path}: not UTF-8 (byte {e.start} is 0x{e.object[e.start]:02x}); save it as UTF-8") from e
    if not text.strip():
        raise InputError(f"{path}: the file is empty; it should hold a list of instruction entries")
    try:
        entries = json.loads(text) if text.lstrip().startswith("[") else _read_lines(path, text)
    except json.JSONDecodeError as e:
        raise InputError(
            f"{path}: broken JSON at line {e.lineno}, column {e.colno}: {e.msg}; is the file cut off?"
        ) from e
    except RecursionError as e:
        raise InputError(f"{path}: JSON nested too deeply; entries are flat objects of texts") from e
    if not entries:
        raise InputError(f"{path}: the list is empty; it should hold instruction entries")
    return entries


def _read_lines(path: Path, text: str) -> list[Any]:
    """JSONL: one object a line, blank lines allowed. A single JSON object over several lines gets its own message."""
    entries = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                entries.append(json.loads(line))
            except json.JSONDecodeError as e:
                raise InputError(
                    f"{path}: line {number} is no JSON ({e.msg}); give one JSON list, or one object a line"
                ) from e
    return entries


def _parse_entry(entry: Any) -> tuple[Example | None, list[str]]:
    """One raw entry to an Example, and what is wrong with it (all of it)."""
    if not isinstance(entry, dict):
        return None, [f"is a {type(entry).__name__}, not an object with instruction and output"]
    if "messages" in entry:
        fields, faults = _from_messages(entry["messages"])
        names = {"instruction": "user message", "output": "assistant message"}
    elif "response" in entry or "context" in entry:
        names = {"instruction": "instruction", "input": "context", "output": "response"}
        fields, faults = {field: entry.get(name) for field, name in names.items()}, []
    else:
        names = {field: field for field in ("instruction", "input", "output")}
        fields, faults = {field: entry.get(field) for field in names}, []
    category = entry.get("category")
    for field in ("instruction", "output"):
        if fields.get(field) is None and not faults:
            faults.append(f"has no {names[field]!r}")
    for field, value in (fields | {"category": category}).items():
        if value is not None:
            faults += _text_faults(names.get(field, field), value, required=field in ("instruction", "output"))
    if faults:
        return None, faults
    texts = {field: (value or "").strip() for field, value in (fields | {"category": category}).items()}
    return Example(**texts), []


def _text_faults(name: str, value: Any, required: bool) -> list[str]:
    """What is wrong with one field."""
    if not isinstance(value, str):
        return [f"{name!r} is a {type(value).__name__}, not a text"]
    if required and not value.strip():
        return [f"{name!r} is empty"]
    if found := CONTROL.search(value):
        return [f"{name!r} holds the control character U+{ord(found[0]):04X} at position {found.start()}"]
    if any("\ud800" <= c <= "\udfff" for c in value):
        return [f"{name!r} holds half a surrogate pair, which is no character"]
    if (words := len(value.split())) > MAX_WORDS:
        return [f"{name!r} has {words:,} words, more than GPT-2 can hold ({MAX_WORDS:,})"]
    return []


def _from_messages(messages: Any) -> tuple[dict[str, Any], list[str]]:
    """A one-turn chat: an optional system message becomes the first lines of the instruction."""
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        return {}, ["'messages' is not a list of objects with role and content"]
    roles = [m.get("role") for m in messages]
    if roles not in (["user", "assistant"], ["system", "user", "assistant"]):
        return {}, [
            f"'messages' has the roles {roles}; only (system,) user, assistant is one instruction and its answer"
        ]
    contents = [m.get("content") for m in messages]
    if not all(isinstance(c, str) for c in contents):
        return {}, ["a message has no text as its content"]
    return {"instruction": "\n".join(c.strip() for c in contents[:-1]), "output": contents[-1]}, []


def save_examples(path: str | Path, examples: Iterable[Example]) -> None:
    """Write Alpaca JSON, atomically; `load_examples` gives the same examples back."""
    write_text(path, json.dumps([asdict(e) for e in examples], ensure_ascii=False, indent=1) + "\n")


# --- duplicates ---


def shingles(example: Example, size: int = 5) -> frozenset[str]:
    """The pieces of `size` letters of the question: lower case, letters and digits only, words joined by one space."""
    text = " ".join(re.findall(r"\w+", f"{example.instruction} {example.input}".lower()))
    return frozenset(text[i : i + size] for i in range(max(1, len(text) - size + 1)))


def find_duplicates(examples: Sequence[Example], threshold: float = 0.85) -> list[list[int]]:
    """Groups of examples that ask (nearly) the same, as sorted lists of indices; lone examples are not listed.

    Two examples belong together when the Jaccard similarity |A ∩ B| / |A ∪ B| of their shingles is at least
    `threshold`; groups are the connected pieces. Answers are not compared: a question with two answers leaks too.

    Exact, and far from quadratic: with pieces ordered from rare to common, two sets that similar must share one of
    their first (1 - threshold)·|A| + 1 pieces (prefix filtering: Chaudhuri, Ganti, Kaushik 2006).

    >>> find_duplicates([Example("Name a fruit."), Example("Name a fruit!"), Example("Name a river.")])
    [[0, 1]]
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold={threshold}: must be above 0 and at most 1")
    sets = [shingles(e) for e in examples]
    rarity = Counter(piece for s in sets for piece in s)
    group = list(range(len(sets)))  # union-find: follow to the smallest index of the group

    def find(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    seen: defaultdict[str, list[int]] = defaultdict(list)
    for i, s in enumerate(sets):
        shared_at_least = math.ceil(threshold * len(s))
        prefix = sorted(s, key=lambda piece: (rarity[piece], piece))[: len(s) - shared_at_least + 1]
        for j in {j for piece in prefix for j in seen[piece]}:
            if find(i) != find(j) and len(s & sets[j]) >= threshold * len(s | sets[j]):
                a, b = sorted((find(i), find(j)))
                group[b] = a
        for piece in prefix:
            seen[piece].append(i)
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for i in range(len(sets)):
        groups[find(i)].append(i)
    return [members for members in groups.values() if len(members) > 1]


# --- splitting ---


@dataclass(frozen=True)
class Split:
    """Indices of the examples in each part; together, each example exactly once."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


def split_examples(
    examples: Sequence[Example],
    *,
    validation: float = 0.05,
    test: float = 0.10,
    seed: int = 123,
    threshold: float = 0.85,
) -> Split:
    """Split at random, with the same shares of every category, and duplicates never apart.

    Groups of (near-)duplicates move as one. Within a category, whose groups are shuffled by `seed`, the test part is
    filled first, then validation, then training; each part gets its share to within one group.

    Raises InputError when a part would be empty.
    """
    if validation <= 0 or test <= 0 or validation + test >= 1:
        raise InputError(f"validation={validation}, test={test}: both must be above 0 and leave something for training")
    groups = find_duplicates(examples, threshold)
    grouped = {i for group in groups for i in group}
    groups += [[i] for i in range(len(examples)) if i not in grouped]
    by_category: defaultdict[str, list[list[int]]] = defaultdict(list)
    for group in sorted(groups):
        by_category[examples[group[0]].category].append(group)
    parts: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    rng = random.Random(seed)
    owed = {"validation": 0.0, "test": 0.0}  # carried from one category to the next: many small ones sum up right
    for _, in_category in sorted(by_category.items()):
        rng.shuffle(in_category)
        size = sum(len(group) for group in in_category)
        owed["validation"] += validation * size
        owed["test"] += test * size
        for group in in_category:
            part = next((p for p in ("test", "validation") if owed[p] >= len(group) - 0.5), "train")
            parts[part] += group
            if part != "train":
                owed[part] -= len(group)
    for name, indices in parts.items():
        if not indices:
            raise InputError(f"{len(examples)} examples: too few to split; the {name} part would be empty")
    return Split(*(tuple(sorted(parts[name])) for name in ("train", "validation", "test")))
