"""Files that are there whole or not at all; and files that grow, where every line is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to, and rename it to `path` when the block succeeds.

    A reader sees the old file or the new one, never a half; a crash or a full disk leaves the old one. The folder is
    made if missing. Raises OSError as the file system does.

    >>> with replacing("notes.txt") as temporary:  # doctest: +SKIP
    ...     temporary.write_text("all of it")
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json_list(path: str | Path, items: Iterable[str]) -> None:
    """Write texts as a JSON list, one a line, atomically and one after another: they are never all in memory."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        before = "\n "
        for item in items:
            file.write(before + json.dumps(item, ensure_ascii=False))
            before = ",\n "
        file.write("]\n" if before == "\n " else "\n]\n")


# --- line by line ---


def whole_lines(path: str | Path) -> list[str]:
    """The lines of a file that `append_lines` wrote; half a line at its end, left by a kill, is left out."""
    return Path(path).read_text(encoding="utf-8", errors="replace").split("\n")[:-1]


def append_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Add lines, each without its end; they are on the disk when this returns. What the file ends in must be whole."""
    with Path(path).open("a", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
