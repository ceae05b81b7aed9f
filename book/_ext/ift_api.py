"""Our docstrings as pages: they are plain prose, with code in backticks and drawings, and not reStructuredText."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Replace the lines of a docstring by reStructuredText that shows what they say."""
    lines[:] = to_rst(lines)


def to_rst(lines: list[str]) -> list[str]:
    """Prose with its code marked and nothing else; what is indented or begins with >>> exactly as it stands.

    >>> to_rst(["The `ids` of a_:", "    prompt | response", "", "* one"])
    ['The \\ ``ids``\\  of a\\_:', '', '.. code-block:: text', '', '    prompt | response', '', '* one', '']
    """
    result: list[str] = []
    for kind, group in groupby(_with_kinds(lines), key=lambda pair: pair[0]):
        block = [line for _, line in group]
        while block and not block[-1].strip():
            block.pop()
        if kind == "prose":
            result += [*map(_marked, block), ""]
        elif kind == "drawing":
            result += [".. code-block:: text", "", *block, ""]
        elif kind == "example":
            result += [".. code-block:: pycon", "", *(f"    {line}" for line in block), ""]
    return result


def _with_kinds(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Each line with what it is part of. A blank line goes with what stands before it; it ends an example."""
    kind = "prose"
    for line in lines:
        if line.startswith(">>>"):
            kind = "example"
        elif line.startswith("    ") and kind != "example":
            kind = "drawing"
        elif line.strip() and kind != "example":
            kind = "prose"
        yield kind, line
        if not line.strip() and kind == "example":
            kind = "prose"


def _marked(line: str) -> str:
    """Code in backticks becomes code; everything else that reStructuredText would read is escaped."""
    pieces = re.split(r"(`+)([^`]+)\1", line)
    point, text = re.match(r"(\s*(?:[-*] )?)(.*)", pieces[0]).groups()
    out = point + _escaped(text)
    for code, after in zip(pieces[2::3], pieces[3::3], strict=True):
        out += f"\\ ``{code}``\\ " + _escaped(after)
    return out


def _escaped(text: str) -> str:
    return re.sub(r"([\\*_|`])", r"\\\1", text)
