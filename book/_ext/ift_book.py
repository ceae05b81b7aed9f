"""What makes the book ours, as an extension of Sphinx: the address, formulas, notebooks without remote pictures."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from ift_status import Built, Citation, RunTimes, Versions
from journey import Journey
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.writers.html5 import HTML5Translator

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
BADGE = re.compile(r"/(colab-badge|badge_logo)\.svg$")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", add_address)
    app.add_directive("journey", Journey)
    app.add_directive("versions", Versions)
    app.add_directive("run-times", RunTimes)
    app.add_directive("built", Built)
    app.add_directive("citation", Citation)
    app.add_html_math_renderer("ift_mathml", (visit_math, None), (visit_math_block, None))
    app.add_transform(WithoutBadges)
    app.connect("html-page-context", drop_scripts, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_address(app: Sphinx, config: Any) -> None:
    """The address of the repository stands in pyproject.toml and nowhere else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project["urls"]["Repository"]
    name = address.removeprefix("https://github.com/")
    first = "chapters/00_start_here.ipynb"
    config.myst_substitutions = {
        "repository": f"[{name}]({address})",
        "binder": f"[Binder](https://mybinder.org/v2/gh/{name}/main?urlpath=lab/tree/{first})",
        "colab": f"[Colab](https://colab.research.google.com/github/{name}/blob/main/{first})",
    }
    # Search and menu stand in the sidebar; the theme's second bar above the page would only repeat them.
    bars = {f"navbar_{place}": [] for place in ("start", "center", "end", "persistent")}
    config.html_theme_options = {**config.html_theme_options, **bars, "repository_url": address}


def drop_scripts(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Leave out thebe, which would run code on a server far away, and whatever an extension has added a second time."""
    kept: dict[str, Any] = {}
    for script in context["script_files"]:
        body = script.attributes.get("body") or ""
        if "THEBE" not in body and "sphinx-thebe" not in str(script.filename):
            kept.setdefault(f"{script.filename} {body}", script)
    context["script_files"] = list(kept.values())


class WithoutBadges(SphinxTransform):
    """Leave out the badges of a notebook's first cell: pictures from afar; the page has buttons instead."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        for paragraph in list(self.document.findall(nodes.paragraph)):
            if any(BADGE.search(image["uri"]) for image in paragraph.findall(nodes.image)):
                paragraph.parent.remove(paragraph)


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """A formula in a line, as MathML."""
    self.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def visit_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """A formula in a line of its own."""
    self.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode
