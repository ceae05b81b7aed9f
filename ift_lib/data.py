"""A data set you can trust: examples, their problems, their duplicates, and an honest split."""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ift_lib.errors import InputError
from ift_lib.files import write_text
from ift_lib.reading import parse_json, raw_entries

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


def too_long_problem(index: int, tokens: int, max_length: int) -> Problem:
    """What is said of an example that the model's context cannot hold."""
    return Problem(index, f"needs {tokens} tokens with its prompt; the context of this model is {max_length}")


# --- reading ---

MAX_WORDS = 2000
"""No entry longer than this fits GPT-2's 1,024 tokens, in any language."""
# Everything below U+0020 but tab and line ends, DEL, and the C1 block: invisible, and never typed on purpose.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
HALF_PAIR = re.compile("[\ud800-\udfff]")
MOST_LISTED = 50
"""So many problems are written out on the screen; every one is in the run's problems.json."""


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
    for index, raw in enumerate(raw_entries(path)):
        example, faults = parse_entry(parse_json(path, raw))
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


def refuse(path: str | Path, problems: Iterable[Problem]) -> None:
    """Raise InputError if any of `problems` is fatal, listing the first of those and the number of all."""
    listed, found, entries = [], 0, set()
    for problem in problems:
        if problem.fatal:
            found += 1
            entries.add(problem.index)
            if found <= MOST_LISTED:
                listed.append(f"  {problem}")
    if found > MOST_LISTED:
        listed.append(f"  … and {found - MOST_LISTED:,} more")
    if found:
        count = len(entries)
        raise InputError(
            f"{path}: {count:,} {'entry' if count == 1 else 'entries'} cannot be used:\n" + "\n".join(listed) + "\n"
            "Mend the file, or go on without them: --skip-problems (in Python: skip_problems=True)"
        )


def parse_entry(entry: Any) -> tuple[Example | None, list[str]]:
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
    if HALF_PAIR.search(value):
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


def normalised_question(example: Example) -> str:
    """Instruction and input in lower case, letters and digits only, words joined by one space."""
    return " ".join(re.findall(r"\w+", f"{example.instruction} {example.input}".lower()))


def shingles(example: Example, size: int = 5) -> frozenset[str]:
    """The pieces of `size` letters of the normalised question."""
    text = normalised_question(example)
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
    together = {group[0]: group for group in find_duplicates(examples, threshold)}
    follows = {i for group in together.values() for i in group[1:]}
    by_category: defaultdict[str, list[int]] = defaultdict(list)
    for i, example in enumerate(examples):
        if i not in follows:
            by_category[example.category].append(i)
    return fill_parts(range(len(examples)), by_category, together, validation, test, seed)


def fill_parts(
    indices: Sequence[int],
    by_category: Mapping[str, list[int]],
    together: Mapping[int, Sequence[int]],
    validation: float,
    test: float,
    seed: int,
) -> Split:
    """The split of `split_examples`, when it is known what belongs together.

    `by_category` lists the first index of each group, ascending; it is shuffled in place. `together` has the groups
    of more than one by their first index. Both shares lie above 0 and leave something for training.
    """
    parts: dict[str, list[int]] = {"validation": [], "test": []}
    rng = random.Random(seed)
    owed = {"validation": 0.0, "test": 0.0}  # carried from one category to the next: many small ones sum up right
    for _, in_category in sorted(by_category.items()):
        rng.shuffle(in_category)
        size = sum(len(together.get(first, (first,))) for first in in_category)
        owed["validation"] += validation * size
        owed["test"] += test * size
        for first in in_category:
            if max(owed.values()) < 0.5:  # not even for a group of one: all the others are for training
                break
            group = together.get(first, (first,))
            part = next((p for p in ("test", "validation") if owed[p] >= len(group) - 0.5), None)
            if part:
                parts[part] += group
                owed[part] -= len(group)
    taken = {i for part in parts.values() for i in part}
    split = Split(
        tuple(i for i in indices if i not in taken), tuple(sorted(parts["validation"])), tuple(sorted(parts["test"]))
    )
    for name, part_indices in vars(split).items():
        if not part_indices:
            raise InputError(f"{len(indices)} examples: too few to split; the {name} part would be empty")
    return split
