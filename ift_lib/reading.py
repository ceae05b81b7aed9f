"""The raw entries of a data file of any size, one after another, in little memory.

JSONL        {"instruction": …}            every line that is not blank is an entry
             {"instruction": …}
JSON list    [{"instruction": …}, {…}]     the parser is asked for one entry at a time, in a window that moves on

Each entry comes with its place in the file, so that its text can be read again later without the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn

from ift_lib.errors import InputError

CHUNK = 2**20
"""Bytes read at a time."""
MAX_ENTRY = 2**24
"""The longest entry in bytes (16 MiB); GPT-2's context holds some kilobytes."""

_BOM = b"\xef\xbb\xbf"
_WHITE = re.compile(r"[ \t\n\r]*")  # what JSON calls white space
_TOO_DEEP = "JSON nested too deeply; entries are flat objects of texts"


class RawEntry(NamedTuple):
    """One entry as text, and where it stands."""

    text: str
    offset: int
    """Its first byte in the file."""
    size: int
    """Its bytes."""
    line: int
    """The line of a JSONL file, from 1; 0 in a JSON list."""


def raw_entries(path: str | Path) -> Iterator[RawEntry]:
    """The entries of a JSON list or a JSONL file, UTF-8 with or without a byte-order mark.

    Raises InputError when the file as a whole cannot be read: missing, empty, not UTF-8, broken JSON (with the place).
    """
    try:
        file = Path(path).open("rb")
    except FileNotFoundError as e:
        raise InputError(f"{path}: no such file; give the path of a .json or .jsonl data file") from e
    with file:
        if file.read(len(_BOM)) != _BOM:
            file.seek(0)
        start = file.tell()
        chunks = iter(lambda: file.read(CHUNK), b"")
        is_list = next((text for chunk in chunks if (text := chunk.lstrip())), b"").startswith(b"[")
        file.seek(start)
        count = 0
        for count, raw in enumerate(_of_list(path, file) if is_list else _of_lines(path, file), 1):  # noqa: B007
            yield raw
        if count == 0 and is_list:
            raise InputError(f"{path}: the list is empty; it should hold instruction entries")
        if count == 0:
            raise InputError(f"{path}: the file is empty; it should hold a list of instruction entries")


def parse_json(path: str | Path, raw: RawEntry) -> Any:
    """The value of an entry. Raises InputError that names the line when it is no JSON."""
    try:
        return json.loads(raw.text)
    except ValueError as e:  # broken JSON, or a number of more digits than Python reads
        message = e.msg if isinstance(e, json.JSONDecodeError) else str(e)
        raise InputError(
            f"{path}: line {raw.line} is no JSON ({message}); give one JSON list, or one object a line"
        ) from e
    except RecursionError as e:
        raise InputError(f"{path}: {_TOO_DEEP}") from e


def _decode(path: str | Path, data: bytes, offset: int) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as e:
        raise InputError(
            f"{path}: not UTF-8 (byte {offset + e.start} is 0x{data[e.start]:02x}); save it as UTF-8"
        ) from e


def _of_lines(path: str | Path, file: BinaryIO) -> Iterator[RawEntry]:
    offset, number = file.tell(), 0
    while line := file.readline(MAX_ENTRY):
        number += 1
        if len(line) == MAX_ENTRY:
            raise InputError(f"{path}: line {number} is longer than {MAX_ENTRY / 1e6:.0f} MB; give one object a line")
        text = _decode(path, line, offset)
        if text.strip():
            yield RawEntry(text, offset, len(line), number)
        offset += len(line)


class _Window:
    """The part of a file looked at. As Latin-1, where a character is a byte: JSON's own marks are the same in UTF-8."""

    def __init__(self, path: str | Path, file: BinaryIO) -> None:
        self.path, self.file = path, file
        self.text, self.offset = "", file.tell()
        self.line, self.column = 1, 1  # of the first character

    def more(self) -> bool:
        """Read on; False at the end of the file."""
        chunk = self.file.read(CHUNK)
        self.text += chunk.decode("latin-1")
        return bool(chunk)

    def drop(self, at: int) -> None:
        """Forget what comes before `at`."""
        self.line, self.column = self.place(at)
        self.text, self.offset = self.text[at:], self.offset + at

    def place(self, at: int) -> tuple[int, int]:
        """Line and column in characters, both from 1."""
        before = self.text[:at].encode("latin-1").decode("utf-8", "replace")
        if lines := before.count("\n"):
            return self.line + lines, len(before) - before.rindex("\n")
        return self.line, self.column + len(before)

    def skip_white(self, at: int) -> int:
        """The place of the next character that is no white space."""
        while True:
            at = _WHITE.match(self.text, at).end()  # type: ignore[union-attr]  # it matches nothing, too
            if at < len(self.text) or not self.more():
                return at

    def value_end(self, at: int) -> int:
        """Where the value that begins at `at` ends; reads on as long as that may be for want of text."""
        while True:
            try:
                end = json.JSONDecoder().raw_decode(self.text, at)[1]
            except json.JSONDecodeError as e:
                if len(self.text) - at > MAX_ENTRY or not self.more():
                    self.fail(e.msg, e.pos)
            except ValueError as e:  # a number of more digits than Python reads
                self.fail(str(e), at)
            except RecursionError as e:
                raise InputError(f"{self.path}: {_TOO_DEEP}") from e
            else:
                if end < len(self.text) or not self.more():
                    return end

    def fail(self, message: str, at: int) -> NoReturn:
        line, column = self.place(at)
        raise InputError(f"{self.path}: broken JSON at line {line}, column {column}: {message}; is the file cut off?")


def _of_list(path: str | Path, file: BinaryIO) -> Iterator[RawEntry]:
    window = _Window(path, file)
    at = window.skip_white(0)
    if window.text[at : at + 1] != "[":
        window.fail("Expecting value", at)
    at = window.skip_white(at + 1)
    if window.text[at : at + 1] != "]":
        while True:
            end = window.value_end(at)
            data, offset = window.text[at:end].encode("latin-1"), window.offset + at
            yield RawEntry(_decode(path, data, offset), offset, len(data), 0)
            at = window.skip_white(end)
            if window.text[at : at + 1] == "]":
                break
            if window.text[at : at + 1] != ",":
                window.fail("Expecting ',' delimiter", at)
            at = window.skip_white(at + 1)
            if at >= CHUNK:
                window.drop(at)
                at = 0
    at = window.skip_white(at + 1)
    if at < len(window.text):
        window.fail("Extra data", at)
