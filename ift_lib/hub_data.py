"""Data sets of Hugging Face's `datasets`: written to one JSONL file, which everything else then reads.

    hf:owner/name            of the hub: the split "train", or the only one
    hf:owner/name:split      another one; hf:owner/name/configuration:split where a data set has several
    FOLDER                   written by `save_to_disk`, or with JSON, Parquet or CSV files that `load_dataset` reads
    hf:FOLDER:split          the same, and a split

The columns have the names that the fields of a data file have (`data.examine`); any others are left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ift_lib.errors import InputError
from ift_lib.files import replacing

COLUMNS = ("instruction", "input", "output", "context", "response", "category", "messages")


def is_dataset(data: str) -> bool:
    """Whether `--data` names a data set, rather than a file."""
    return data.startswith("hf:") or Path(data).is_dir()


def write_dataset(data: str, path: str | Path) -> None:
    """Write a data set to `path`, one JSON object a line; row by row, so it may be larger than the memory.

    Raises InputError when `datasets` is not installed, when there is no such data set or split, or when no column of it
    has a name that we know.
    """
    try:
        import datasets
    except ImportError as e:
        raise InputError(f"--data {data}: needs the library `datasets`; pip install datasets") from e
    name, split = _parse(data)
    try:
        found = _load(datasets, name)
    except Exception as e:  # it raises whatever its many readers do
        raise InputError(
            f"--data {data}: `datasets` could not read it ({type(e).__name__}: {e}); mend the name, or give "
            "a JSON or JSONL file"
        ) from e
    rows = _choose(data, found, split)
    columns = [column for column in COLUMNS if column in rows.column_names]
    if not columns:
        raise InputError(
            f"--data {data}: has the columns {', '.join(rows.column_names)}; wanted are instruction and output, "
            "instruction and response, or messages: rename them (rename_column) and save_to_disk"
        )
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows.select_columns(columns):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _parse(data: str) -> tuple[str, str | None]:
    """hf:name:split -> name, split."""
    if not data.startswith("hf:"):
        return data, None
    name, _, split = data.removeprefix("hf:").partition(":")
    return name, split or None


def _load(datasets: Any, name: str) -> Any:
    """All splits, or the one data set that `save_to_disk` wrote."""
    folder = Path(name)
    if folder.is_dir():
        saved = any((folder / file).exists() for file in ("dataset_dict.json", "state.json"))
        return datasets.load_from_disk(name) if saved else datasets.load_dataset(str(folder.resolve()))
    owner, _, rest = name.partition("/")
    repository, _, configuration = rest.partition("/")
    return datasets.load_dataset(*([f"{owner}/{repository}", configuration] if configuration else [name]))


def _choose(data: str, found: Any, split: str | None) -> Any:
    """One split of what was loaded."""
    splits = found if isinstance(found, dict) else {"train": found}
    wanted = split or ("train" if "train" in splits or len(splits) != 1 else next(iter(splits)))
    if wanted not in splits:
        raise InputError(f"--data {data}: has no split {wanted!r}; there are {', '.join(splits)}: hf:NAME:SPLIT")
    return splits[wanted]
