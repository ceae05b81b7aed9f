"""A large data file, tokenised once: flat arrays on disk that later runs map into memory.

    data file    {"instruction": …}   {"instruction": …}   faulty   {"instruction": …}
    tokens       p p p r r E          p p r E                       p p p p r r r E         uint16, one after another
    offsets      0                    6                             10                 18   where each example begins
    prompts      3                    2                             4                       how many are its prompt
    entries      0                    1                             3                       which entry it was
    spans        where the entry's bytes are in the data file: its text is read from there when someone asks for it

One folder holds it, named by what decides its content: the SHA-256 of the data file, the template, the vocabulary and
FORMAT. Nothing has to be kept in step: another file, or another template, is another folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ift_lib.data import Example, Problem, Split, fill_parts, parse_entry, too_long_problem
from ift_lib.encoding import Encoded
from ift_lib.reading import RawEntry, parse_json

FORMAT = 1
"""Raise it when the arrays, or what `parse_entry` and `encode_example` make of an entry, change."""

ARRAYS: dict[str, type[np.generic]] = {
    "tokens": np.uint16,  # GPT-2's ids end at 50,256
    "offsets": np.int64,
    "prompts": np.uint32,
    "entries": np.uint32,
    "spans": np.int64,  # byte offset and size, in turn
    "categories": np.uint32,  # place of its name in categories.json
    "groups": np.uint32,  # row of the first example with the same question
}
UNREADABLE = (OSError, ValueError, KeyError, TypeError)
FILES = {f"{name}.bin" for name in ARRAYS} | {"categories.json", "problems.jsonl", "meta.json"}


def stores_folder() -> Path:
    """Where the stores live: $IFT_CACHE, else $XDG_CACHE_HOME/ift, else ~/.cache/ift. It may be deleted at any time."""
    if own := os.environ.get("IFT_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ift"


def file_sha256(path: str | Path) -> str:
    """The SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def checksum(path: Path) -> int:
    """The CRC-32 of a file: tells damage, not malice."""
    value = 0
    with path.open("rb") as file:
        while piece := file.read(2**20):
            value = zlib.crc32(piece, value)
    return value


def _map(path: Path, kind: type[np.generic]) -> np.ndarray[Any, Any]:
    """The array of a file, which the system reads where it is touched. (An empty file cannot be mapped.)"""
    return np.memmap(path, kind, "r") if path.stat().st_size else np.empty(0, kind)


class TokenStore(Mapping[int, Encoded]):
    """The usable examples of a data file by the index of their entry, as `prepare` gives them for a small file."""

    def __init__(self, data: Path, folder: Path) -> None:
        """Map the store in `folder`. Raises one of UNREADABLE when it is damaged or not there."""
        self.data, self.folder = data, folder
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        for name in FILES - {"meta.json"}:
            if [(folder / name).stat().st_size, checksum(folder / name)] != meta["files"][name]:
                raise ValueError(f"{name} is not what was written")
        a = {name: _map(folder / f"{name}.bin", kind) for name, kind in ARRAYS.items()}
        self.tokens, self.offsets, self.prompts, self.entries = (
            a[name] for name in ("tokens", "offsets", "prompts", "entries")
        )
        self.spans, self.categories, self.groups = a["spans"].reshape(-1, 2), a["categories"], a["groups"]
        self.category_names: list[str] = json.loads((folder / "categories.json").read_text(encoding="utf-8"))
        self.lengths = np.diff(self.offsets)

    def rows(self, indices: Sequence[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The rows of entries. Raises KeyError for one that is not usable."""
        wanted = np.asarray(indices, dtype=np.int64)
        rows = np.minimum(np.searchsorted(self.entries, wanted), len(self.entries) - 1)
        if not np.array_equal(self.entries[rows], wanted):
            raise KeyError("not a usable entry")
        return rows

    def encoded(self, row: int) -> Encoded:
        """The example of a row."""
        return Encoded(tuple(self.tokens[self.offsets[row] : self.offsets[row + 1]].tolist()), int(self.prompts[row]))

    def __getitem__(self, index: int) -> Encoded:
        return self.encoded(int(self.rows([index])[0]))

    def __iter__(self) -> Iterator[int]:
        return iter(self.entries.tolist())

    def __len__(self) -> int:
        return len(self.entries)

    def problems(self) -> Iterator[Problem]:
        """What was found wrong when the file was read, in its order."""
        with (self.folder / "problems.jsonl").open(encoding="utf-8") as file:
            yield from (Problem(*json.loads(line)) for line in file)


class StoredExamples(Sequence[Encoded]):
    """Some rows of a store, in a given order. An example becomes Python integers only when it is asked for."""

    def __init__(self, store: TokenStore, rows: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        self.store, self.rows = store, rows

    @property
    def lengths(self) -> list[int]:
        """The token counts of all, without reading a token."""
        return self.store.lengths[self.rows].tolist()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return StoredExamples(self.store, self.rows[at])
        return self.store.encoded(int(self.rows[at]))


class StoredTexts(Mapping[int, Example]):
    """The texts of a store's examples, each read from the data file when it is asked for."""

    def __init__(self, store: TokenStore) -> None:
        self.store = store

    def __getitem__(self, index: int) -> Example:
        offset, size = self.store.spans[self.store.rows([index])[0]].tolist()
        with self.store.data.open("rb") as file:
            file.seek(offset)
            text = file.read(size).decode("utf-8")
        example, faults = parse_entry(parse_json(self.store.data, RawEntry(text, offset, size, 0)))
        assert example is not None, faults  # the store holds no faulty entry
        return example

    def __iter__(self) -> Iterator[int]:
        return iter(self.store)

    def __len__(self) -> int:
        return len(self.store)


class StoredProblems:
    """Every problem of a data file for a model of `max_length` tokens, read as it is asked for, as often as wanted."""

    def __init__(self, store: TokenStore, max_length: int) -> None:
        self.store, self.max_length = store, max_length
        self.too_long = np.flatnonzero(store.lengths - 1 > max_length)

    def __iter__(self) -> Iterator[Problem]:
        yield from self.store.problems()
        for row in self.too_long.tolist():
            yield too_long_problem(int(self.store.entries[row]), int(self.store.lengths[row]) - 1, self.max_length)


def split_store(store: TokenStore, max_length: int, *, validation: float, test: float, seed: int) -> Split:
    """Split the examples that fit, by their entries, as `split_examples` does with `threshold` 1.

    That is: seeded, the same shares of every category, and examples with the same question (in lower case, letters and
    digits only) on one side. Questions that are only *nearly* the same are not looked for, as they are in a small
    file: that search keeps every piece of every question in memory.
    """
    fits = store.lengths - 1 <= max_length
    rows = np.flatnonzero(fits)
    first, where, size = np.unique(store.groups[rows], return_index=True, return_counts=True)[:3]
    together: dict[int, list[int]] = {}
    for row in rows[np.isin(store.groups[rows], first[size > 1])].tolist():
        together.setdefault(int(store.groups[row]), []).append(row)
    together = {members[0]: members for members in together.values()}  # by the first that fits
    leaders = np.sort(rows[where])
    by_category: dict[str, list[int]] = {}
    category = store.categories[leaders]
    by_number = np.argsort(category, kind="stable")
    numbers, starts = np.unique(category[by_number], return_index=True)
    for number, members in zip(numbers, np.split(leaders[by_number], starts[1:]), strict=True):
        by_category[store.category_names[number]] = members.tolist()
    split = fill_parts(rows.tolist(), by_category, together, validation, test, seed)
    parts = {name: tuple(store.entries[list(part)].tolist()) for name, part in vars(split).items()}
    return Split(**parts)
