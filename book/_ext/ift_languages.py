"""The book in two languages, as an extension of Sphinx: the switch, the same anchors, links to what is not translated.

A page of another language lies in a folder of its language: chapters/pt-br/01_formatting for chapters/01_formatting.
Its sections have the ids of the English ones, and each code cell of a notebook has the id of the notebook's file, so an
address with an anchor means the same place in both.
"""

from __future__ import annotations

import importlib
import json
import posixpath
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from myst_parser.mdit_to_docutils.base import default_slugify
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
languages = importlib.import_module("languages")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", show_switch)
    app.connect("html-page-context", add_other_language)
    app.add_css_file("language.css")
    app.add_js_file("language.js")
    app.add_transform(SameIds)
    app.add_transform(LinksToOriginals)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def language_of_book(config: Any) -> Any:
    """The language that is being built."""
    return next(one for one in languages.LANGUAGES if one.code.replace("-", "_") == config.language)


def english_name(page: str) -> str:
    """The page without the folder of its language."""
    folders = {language.folder for language in languages.TRANSLATIONS}
    return "/".join(part for part in page.split("/") if part not in folders)


@cache
def pages(folder: str) -> dict[str, str]:
    """The pages of a language by their English names, the front page first."""
    toc = yaml.safe_load((ROOT / "book" / folder / "_toc.yml").read_text(encoding="utf-8"))
    found = [toc["root"]]

    def walk(entry: Any) -> None:
        for value in entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else []:
            walk(value)
        if isinstance(entry, dict) and "file" in entry:
            found.append(entry["file"])

    walk(toc)
    return {english_name(page): page for page in found}


def website_path(language: Any, page: str) -> str:
    """Where a page of a language lies in the website."""
    return posixpath.join(language.folder, f"{page}.html")


# --- the switch ---


def show_switch(app: Sphinx, config: Any) -> None:
    config.html_theme_options["article_header_end"] = ["language-switch.html", "article-header-buttons.html"]


def add_other_language(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """What language-switch.html needs: the other languages, and for each the same page or else its front page."""
    here = language_of_book(app.config)
    context["language"] = here.code  # as HTML writes it: pt-BR, not pt_BR
    context["other_languages"] = []
    for other in languages.LANGUAGES:
        if other != here:
            there = pages(other.folder)
            page = there.get(english_name(pagename))
            target = website_path(other, page or next(iter(there.values())))
            address = posixpath.relpath(target, posixpath.dirname(website_path(here, pagename)))
            same = "yes" if page else "no"
            entry = {"code": other.code, "name": other.name, "address": address, "same": same}
            context["other_languages"].append(entry)


# --- the same anchors ---

HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
ENGLISH_TERM = re.compile(r"<!-- english: (\S+) -->")


@cache
def read(page: str) -> str:
    """The markdown of a page: of a notebook that of its markdown cells."""
    path = ROOT / f"{page}.md"
    if path.exists():
        return path.read_text(encoding="utf-8")
    cells = json.loads((ROOT / f"{page}.ipynb").read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def headings(page: str) -> list[str]:
    """The headings of a page, without marks."""
    return [re.sub(r"\[(.*?)\]\(.*?\)|[`*]", r"\1", found) for found in HEADING.findall(read(page))]


@cache
def english_headings(page: str) -> list[str]:
    """The English heading of each section of a translated page; a glossary has an order of its own, and names them."""
    ours = headings(english_name(page))
    by_slug = {default_slugify(heading): heading for heading in ours}
    terms = ENGLISH_TERM.findall(read(page))
    return [ours[0], *(by_slug[term] for term in terms)] if terms else ours


@cache
def slugs() -> dict[str, str]:
    """By a translated heading: how its English original is linked to."""
    translated = [page for one in languages.TRANSLATIONS for page in pages(one.folder).values()]
    found = {}
    for page in translated:
        found.update(zip(headings(page), map(default_slugify, english_headings(page)), strict=True))
    return found


def slug(heading: str) -> str:
    """For `myst_heading_slug_func`: glossary.md#batch is right in every language."""
    return slugs().get(heading, default_slugify(heading))


class SameIds(SphinxTransform):
    """Give translated sections the ids of the English ones, and code cells those of the notebook's file."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        page = self.env.docname
        if page != english_name(page):
            sections = list(self.document.findall(nodes.section))
            for section, heading in zip(sections, english_headings(page), strict=True):
                if (english := nodes.make_id(heading)) and english not in self.document.ids:
                    self.document.ids[english] = section
                    section["ids"].insert(0, english)
        notebook = ROOT / f"{page}.ipynb"
        if notebook.exists():
            cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
            for cell in self.document.findall(nodes.container):
                if cell.get("nb_element") == "cell_code":
                    cell["ids"].append(f"cell-{cells[cell['cell_index']]['id']}")


class LinksToOriginals(SphinxTransform):
    """A link to a page that is not translated leads to the English one."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        here = language_of_book(self.config)
        ours, english = set(pages(here.folder).values()), set(pages("").values())
        for link in list(self.document.findall(addnodes.pending_xref)):
            target = link.get("reftarget")
            if link.get("refdomain") == "doc" and target not in ours and target in english:
                start = posixpath.dirname(website_path(here, self.env.docname))
                address = posixpath.relpath(website_path(languages.ENGLISH, target), start)
                anchor = f"#{link['reftargetid']}" if link.get("reftargetid") else ""
                link.replace_self(nodes.reference("", "", *link.children, refuri=address + anchor, internal=True))
