"""A data file, ready for training: small ones as Python objects, large ones from a token store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ift_lib.data import Example, Problem, Split, examine, refuse, split_examples, too_long_problem
from ift_lib.encoding import Encoded, encode_example
from ift_lib.store_building import open_store
from ift_lib.templates import Template
from ift_lib.token_store import StoredExamples, StoredProblems, StoredTexts, TokenStore, file_sha256, split_store

LARGE = 2**25
"""A data file of more bytes (32 MiB; some 80,000 examples) is tokenised once and kept in a token store."""


@dataclass(frozen=True)
class Prepared:
    """The data of a run, ready for training. Parts hold indices of file entries."""

    examples: Mapping[int, Example]
    encoded: Mapping[int, Encoded]
    split: Split
    problems: Iterable[Problem]
    data_sha256: str

    def pick(self, indices: Sequence[int]) -> Sequence[Encoded]:
        """The encoded examples of a part."""
        if isinstance(self.encoded, TokenStore):
            return StoredExamples(self.encoded, self.encoded.rows(indices))
        return [self.encoded[i] for i in indices]


def prepare_data(
    path: Path,
    template: Template,
    max_length: int,
    shares: Callable[[int], dict[str, float]],
    *,
    seed: int,
    skip_problems: bool = False,
    say: Callable[[str], None] = print,
) -> Prepared:
    """Read, check, encode and split a data file; a large one (LARGE) from its token store, in little memory.

    `shares` says for a number of examples which shares are for `validation` and `test`. The two ways differ in one
    thing: a large file is not searched for questions that are *nearly* the same, only for those equal in letters and
    digits (see `split_store`).

    Raises InputError that lists the entries that cannot be used: faulty, or longer than the model's `max_length`.
    """
    if path.is_file() and path.stat().st_size > LARGE:
        store, sha256 = open_store(path, template, say)
        stored = StoredProblems(store, max_length)
        if not skip_problems:
            refuse(path, stored)
        split = split_store(store, max_length, **shares(len(store) - len(stored.too_long)), seed=seed)
        return Prepared(StoredTexts(store), store, split, stored, sha256)
    examined = examine(path)
    encoded = {i: encode_example(e, template) for i, e in examined.examples.items()}
    long = [i for i, e in encoded.items() if len(e) - 1 > max_length]
    problems = examined.problems + [too_long_problem(i, len(encoded[i]) - 1, max_length) for i in long]
    if not skip_problems:
        refuse(path, problems)
    left_out = {p.index for p in problems if p.fatal}
    examples = {i: e for i, e in examined.examples.items() if i not in left_out}
    index = list(examples)
    split = split_examples(list(examples.values()), **shares(len(examples)), seed=seed)
    parts = {name: tuple(index[i] for i in part) for name, part in vars(split).items()}
    return Prepared(examples, encoded, Split(**parts), problems, file_sha256(path))
