"""Our docstrings as pages: they are plain prose, with code in backticks and drawings, and not reStructuredText."""

from __future__ import annotations

import re
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

    >>> to_rst(["The `ids` of a_", "", "    prompt | response", ""])
    ['The ``ids`` of a\\\\_', '', '.. code-block:: text', '', '    prompt | response', '']
    """
    result: list[str] = []
    blocks = re.split(r"\n\s*\n", "\n".join(lines).rstrip())
    drawing = False
    for block in blocks:
        if not block.strip():
            continue
        if block.startswith(">>>"):
            result += [".. code-block:: pycon", "", *_indented(block), ""]
        elif block.startswith("    "):
            # Two drawings with a blank line between them are one.
            result += [] if drawing else [".. code-block:: text", ""]
            result += [*block.splitlines(), ""]
        else:
            result += [*_prose(block), ""]
        drawing = block.startswith("    ")
    return result


def _indented(block: str) -> list[str]:
    return [f"    {line}" for line in block.splitlines()]


def _prose(block: str) -> list[str]:
    """A paragraph, or the points of a list, of which each may go on in indented lines."""
    return [_marked(line) for line in block.splitlines()]


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
