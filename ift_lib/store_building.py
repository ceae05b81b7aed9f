"""Make a token store: read the data file in blocks, tokenise them on all cores, write flat arrays, rename once.

    raw_entries ── blocks ──► threads: parse, check, render, tokenise ── in order ──► tokens.bin, problems, …

Threads, not processes: most of the time goes into tiktoken, which runs outside Python's lock, and a process more would
mean PyTorch in memory once more. (Numbers: book/beyond/big_data.md.)
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import shutil
import tempfile
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from ift_lib.data import normalised_question, parse_entry
from ift_lib.encoding import BPE_FOLDER, encode_example, get_tokenizer
from ift_lib.errors import InputError
from ift_lib.files import replacing, write_text
from ift_lib.reading import RawEntry, parse_json, raw_entries
from ift_lib.templates import Template
from ift_lib.token_store import ARRAYS, FILES, FORMAT, UNREADABLE, TokenStore, checksum, file_sha256, stores_folder

BLOCK = 1000
"""Entries that a thread takes at a time."""


def open_store(data: Path, template: Template, say: Callable[[str], None]) -> tuple[TokenStore, str]:
    """The store of a data file, and the file's SHA-256; made if it is not there, made anew if it is damaged.

    Two processes that ask at once get the same store: one makes it, the other waits.

    Raises InputError when the file cannot be read, there is no room for the store, or something else is in its place.
    """
    sha256 = file_sha256(data)
    decides = [FORMAT, sha256, asdict(template), file_sha256(BPE_FOLDER / "encoder.json")]
    folder = stores_folder() / hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:32]
    try:
        return TokenStore(data, folder), sha256
    except UNREADABLE:
        pass  # not there, or damaged: under the lock we shall see which
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            return _open_or_build(data, template, folder, say), sha256
    except OSError as e:
        raise InputError(
            f"{folder.parent}: the tokens of {data} could not be kept there ({e}); make room (about as much as the "
            "data file has), or name another folder in the environment variable IFT_CACHE"
        ) from e


def _open_or_build(data: Path, template: Template, folder: Path, say: Callable[[str], None]) -> TokenStore:
    """With the lock held: whoever held it before may have done the work."""
    if folder.exists():
        if strange := {p.name for p in folder.iterdir()} - FILES:
            raise InputError(f"{folder}: holds {min(strange)}, which is none of ours; move it away")
        try:
            return TokenStore(data, folder)
        except UNREADABLE as e:
            say(f"the token store {folder} is damaged ({e}); it is made anew")
            shutil.rmtree(folder)
    for left in folder.parent.glob(f"{folder.name}.*.tmp"):  # by one that was killed
        shutil.rmtree(left)
    say(f"first run with {data} ({data.stat().st_size / 1e6:,.0f} MB): its tokens are kept in {folder}")
    half = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        build_store(data, template, half)
        os.replace(half, folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    store = TokenStore(data, folder)
    size = sum(p.stat().st_size for p in folder.iterdir())
    say(
        f"{len(store):,} examples, {len(store.tokens):,} tokens, {size / 1e6:,.0f} MB kept; later runs begin with these"
    )
    return store


@dataclass
class _Block:
    """What a thread makes of some entries, as flat as it will be on disk."""

    count: int = 0
    """Entries, the faulty ones included."""
    tokens: array[int] = field(default_factory=lambda: array("H"))
    lengths: array[int] = field(default_factory=lambda: array("I"))
    prompts: array[int] = field(default_factory=lambda: array("I"))
    places: array[int] = field(default_factory=lambda: array("I"))
    """Of each usable example among the entries."""
    spans: array[int] = field(default_factory=lambda: array("q"))
    questions: array[int] = field(default_factory=lambda: array("Q"))
    examples: array[int] = field(default_factory=lambda: array("Q"))
    categories: list[str] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)


def _encode_block(data: Path, template: Template, raws: list[RawEntry]) -> _Block:
    block = _Block(len(raws))
    for place, raw in enumerate(raws):
        example, faults = parse_entry(parse_json(data, raw))
        block.faults += [(place, fault) for fault in faults]
        if example is None:
            continue
        encoded = encode_example(example, template)
        block.tokens.extend(encoded.ids)
        block.lengths.append(len(encoded))
        block.prompts.append(encoded.prompt_length)
        block.places.append(place)
        block.spans.extend((raw.offset, raw.size))
        block.questions.append(_hash(normalised_question(example)))
        block.examples.append(_hash("\0".join(vars(example).values())))
        block.categories.append(example.category)
    return block


def _hash(text: str) -> int:
    """64 bits: among a million texts, the chance that any two different ones share it is below 1 in 30 million."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _blocks(data: Path, template: Template) -> Iterator[_Block]:
    """All blocks in order, made by a thread for each core; only a few are ever in memory."""
    assert get_tokenizer().n_vocab <= 2**16, "token ids would not fit"  # also makes it before the threads need it
    workers = os.cpu_count() or 1
    waiting: deque[Future[_Block]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for raws in _in_blocks(raw_entries(data)):
            waiting.append(pool.submit(_encode_block, data, template, raws))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _in_blocks(entries: Iterable[RawEntry]) -> Iterator[list[RawEntry]]:
    block: list[RawEntry] = []
    size = 0
    for raw in entries:
        block.append(raw)
        size += raw.size
        if len(block) == BLOCK or size > 2**22:
            yield block
            block, size = [], 0
    yield block


def build_store(data: Path, template: Template, folder: Path) -> None:
    """Write the files of a store into `folder`. Raises InputError and OSError as reading and writing do."""
    columns: dict[str, array[int]] = {
        **{name: array("I") for name in ("lengths", "prompts", "entries", "categories")},
        "spans": array("q"),
        "questions": array("Q"),
        "examples": array("Q"),
    }
    numbers: dict[str, int] = {}  # category -> its place
    entries = 0
    faults = folder / "faults.jsonl"
    with (
        (folder / "tokens.bin").open("wb") as tokens,
        faults.open("w", encoding="utf-8") as problems,
        tqdm(total=data.stat().st_size, unit="B", unit_scale=True, desc="tokenising", disable=None) as bar,
    ):
        for block in _blocks(data, template):
            tokens.write(block.tokens)
            problems.writelines(json.dumps([entries + place, fault, True]) + "\n" for place, fault in block.faults)
            for name in ("lengths", "prompts", "spans", "questions", "examples"):
                columns[name].extend(getattr(block, name))
            columns["entries"].extend(entries + place for place in block.places)
            columns["categories"].extend(numbers.setdefault(c, len(numbers)) for c in block.categories)
            entries += block.count
            if block.spans:
                bar.update(sum(block.spans[-2:]) - bar.n)
        tokens.flush()
        os.fsync(tokens.fileno())
    lengths = np.array(columns["lengths"], dtype=np.int64)
    index = np.array(columns["entries"], dtype=np.int64)
    _write_problems(folder / "problems.jsonl", faults, index, _first_equal(columns["examples"]))
    faults.unlink()
    arrays: dict[str, Any] = {
        "offsets": np.concatenate([[0], np.cumsum(lengths)]),
        "groups": _first_equal(columns["questions"]),
        **{name: np.array(columns[name]) for name in ("prompts", "entries", "spans", "categories")},
    }
    for name, values in arrays.items():
        with replacing(folder / f"{name}.bin") as temporary, temporary.open("wb") as file:
            file.write(np.ascontiguousarray(values, dtype=ARRAYS[name]).data)
    write_text(folder / "categories.json", json.dumps(list(numbers)))
    files = {name: (folder / name).stat().st_size for name in sorted(FILES - {"meta.json"})}
    meta = {
        "format": FORMAT,
        "data": str(data),
        "template": template.name,
        "files": {name: [size, checksum(folder / name)] for name, size in files.items()},
    }
    write_text(folder / "meta.json", json.dumps(meta, indent=1) + "\n")


def _first_equal(hashes: array[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """For each place the first place with the same hash: [7, 5, 7] -> [0, 1, 0]."""
    _, first, which = np.unique(np.array(hashes, dtype=np.uint64), return_index=True, return_inverse=True)
    return first[which]


def _write_problems(path: Path, faults: Path, index: Any, first: Any) -> None:
    """Faults and exact copies together, in the order of their entries, one a line."""
    copies = (
        [index[row].item(), f"an exact copy of entry {index[first[row]]}; a split keeps both on one side", False]
        for row in np.flatnonzero(first != np.arange(len(first)))
    )
    with faults.open(encoding="utf-8") as file, replacing(path) as temporary:
        with temporary.open("w", encoding="utf-8", newline="\n") as out:
            both = heapq.merge((json.loads(line) for line in file), copies, key=lambda problem: problem[0])
            out.writelines(json.dumps(problem) + "\n" for problem in both)
