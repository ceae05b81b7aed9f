"""Whether each translated text still says what its English original says.

python tools/translations.py                        name all that is missing or has changed
python tools/translations.py --accept 02_splitting  the translation has been brought in line: note it

A text is a chapter (its parts are cells), a quiz (questions), or a page of the book (sections). Its parts must be the
same in the same order, and each part must have the original's headings, lists, links, code in backticks and numbers.
That a *sentence* of the original has changed no program can see in the translation, so `translated.json`, beside the
chapters, holds a short hash of each English part as it was when somebody accepted its translation. A glossary has the
order of its own alphabet and only the terms it needs: `<!-- english: batch -->` says which entry is meant.

Of a code cell the program must be the same: its syntax tree, so comments may differ, and but for these texts:

* an argument of `print`: a string, the words of an f-string (the values in it must all be there, in any order), both
  sides of `a if b else c` and of `+`. Not what stands deeper, in a call or an index: that is data;
* the words of a plot: arguments of `set_xlabel`, `set_ylabel`, `set_title`, `text`, and `label=`;
* the docstring of a function;
* `quiz("NAME")`, which becomes `quiz("pt-br/NAME")`;
* strings that `strings.json` lists for the chapter, such as the text of a variable that is printed later. Each must
  then be translated everywhere in the chapter. Of an f-string it lists the piece between two values.

Signs without a letter (`"-"`) are no words: they stay. What follows a colon in an f-string (`:<14`) is code.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import posixpath
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from build_notebooks import CHAPTERS, ROOT, read_source, tags
from languages import TRANSLATIONS, Language
from myst_parser.mdit_to_docutils.base import default_slugify

QUIZZES = Path("ift_lib/course/quizzes")
PAGES = ["book/index.md", "book/glossary.md"]
TERM = re.compile(r"<!-- english: (\S+) -->")
PLOT_WORDS = {"set_xlabel", "set_ylabel", "set_title", "text"}


@dataclass(frozen=True)
class Part:
    """A cell, a question or a section."""

    kind: str
    """markdown, code or data."""
    text: str
    marks: Any
    """What must be the same in the translation besides the text: the tags of a cell, which option is right."""

    @property
    def first_line(self) -> str:
        return self.text.strip().splitlines()[0][:60]

    @property
    def hash(self) -> str:
        told = json.dumps([self.kind, self.text, self.marks], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Pair:
    """An English text and its translation, as paths from the root of the repository."""

    original: str
    translated: str
    language: Language

    @property
    def part(self) -> str:
        return {".py": "cell", ".json": "question", ".md": "section"}[Path(self.original).suffix]


def pairs(language: Language, root: Path = ROOT) -> list[Pair]:
    """All texts that are translated into a language: chapters, their quizzes, pages."""
    found = []
    for folder in (Path("chapters"), QUIZZES):
        for path in sorted((root / folder / language.folder).glob("[0-9][0-9]_*.*")):
            if path.suffix in (".py", ".json"):
                here = folder / language.folder / path.name
                found.append(Pair((folder / path.name).as_posix(), here.as_posix(), language))
    return found + [Pair(page, translated_path(page, language), language) for page in PAGES]


def translated_path(path: str, language: Language) -> str:
    """Where the translation of a file lies: in a folder of its language below the first folder."""
    first, rest = path.split("/", 1)
    return f"{first}/{language.folder}/{rest}"


# --- the parts of a text ---


def read(path: Path) -> list[Part]:
    """The parts of a chapter's source, a quiz or a page."""
    if path.suffix == ".py":
        return [_cell(cell) for cell in read_source(path)]
    text = re.sub(r"<!-- (?!english:).*?-->", "", path.read_text(encoding="utf-8"))
    if path.suffix == ".json":
        return [_question(entry) for entry in json.loads(text)]
    return [
        Part("markdown", section.strip(), None)
        for section in re.split(r"^(?=#+ )", text, flags=re.M)
        if section.strip()
    ]


def read_pair(pair: Pair) -> tuple[list[Part], list[Part]]:
    """The parts of the original and of the translation; of a glossary, the original's in the translation's order."""
    english, other = read(ROOT / pair.original), read(ROOT / pair.translated)
    terms = TERM.findall("\n".join(part.text for part in other))
    if terms:
        by_term = {default_slugify(part.first_line.lstrip("# ")): part for part in english[1:]}
        unknown = Part("markdown", "## (no such entry in English)", None)
        other = [replace(part, text=TERM.sub("", part.text)) for part in other]
        english = [other[0], *(by_term.get(term, unknown) for term in terms)]  # the head says what is not there
    return english, other


def _cell(cell: Any) -> Part:
    alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
    text = f"{cell.source}\n# alt text: {alt}" if alt else cell.source
    return Part(cell.cell_type, text, {"tags": tags(cell), "alt text": bool(alt)})


def _question(entry: dict[str, Any]) -> Part:
    lines = [entry["question"], *(f"{option['text']}\n  {option['why']}" for option in entry["options"])]
    return Part("markdown", "\n".join(lines), [option["right"] for option in entry["options"]])


# --- has the English changed? ---


def changes(pair: Pair, noted: Sequence[str], english: Sequence[Part]) -> list[str]:
    """What has become of the English parts since their translation was accepted."""
    if not noted:
        return [f"{pair.translated}: nobody has accepted this translation yet"]
    now, found = [part.hash for part in english], []
    for what, i1, i2, j1, j2 in SequenceMatcher(None, noted, now, autojunk=False).get_opcodes():
        if what == "equal":
            continue
        both = min(i2 - i1, j2 - j1)
        for place in range(j1, j1 + both):
            found.append(
                f"{pair.translated}, {pair.part} {place}: the English {pair.part} has changed since it was translated "
                f"({english[place].first_line})"
            )
        for place in range(j1 + both, j2):
            found.append(f"{pair.translated}: {pair.part} {place} of the English is new ({english[place].first_line})")
        for place in range(i1 + both, i2):
            found.append(f"{pair.translated}: {pair.part} {place} of what was translated is gone from the English")
    return found


# --- is the translation of the same form? ---


def differences(pair: Pair, english: Sequence[Part], other: Sequence[Part], strings: dict[str, str]) -> list[str]:
    """A line for each part that differs from its original in form."""
    if len(english) != len(other):
        return [f"{pair.translated}: {len(other)} {pair.part}s, the English has {len(english)}"]
    found = []
    for place, (one, two) in enumerate(zip(english, other, strict=True)):
        where = f"{pair.translated}, {pair.part} {place} ({two.first_line})"
        found += [f"{where}: {complaint}" for complaint in _compare(pair, one, two, strings)]
    return found


def _compare(pair: Pair, one: Part, two: Part, strings: dict[str, str]) -> Iterator[str]:
    if one is two:
        return
    if one.kind != two.kind:
        yield f"it is {two.kind}, the English one {one.kind}"
    elif one.marks != two.marks:
        yield f"{two.marks}, in English {one.marks}"
    elif one.kind == "code":
        name = Path(pair.original).stem
        if _program(one.text, strings, f"{pair.language.folder}/{name}") != _program(two.text, {}, ""):
            yield "another program than in English (see the rule at the top of tools/translations.py)"
    else:
        for what, of in FORM.items():
            ours, theirs = of(one.text), of(two.text)
            if what == "links":
                ours = sorted(_link(link, pair) for link in ours)
            if ours != theirs:
                yield f"its {what}: {theirs}, in English {ours}"
        if one.text == two.text and len(one.text) > 60:
            yield "not translated"


def _all(pattern: str) -> Callable[[str], list[str]]:
    return lambda text: sorted(re.findall(pattern, text, re.M))


FORM: dict[str, Callable[[str], list[str]]] = {
    "headings": lambda text: re.findall(r"^#+(?= )", text, re.M),
    "lists": lambda text: re.findall(r"^ *([*-]|\d+\.)(?= )", text, re.M),
    "links": _all(r"\]\(([^)\s]+)\)"),
    "code": lambda text: sorted(set(re.findall(r"`+[^`]+`+|<code>.*?</code>", text))),
    "formulas": _all(r"\$\$.+?\$\$"),
    "numbers": lambda text: sorted(re.findall(r"\d+", _prose(text))),
    "folds": _all(r"</?(?:details|summary)>"),
}
"""What of a markdown text must be the same in every language."""


def _prose(text: str) -> str:
    """The text without code and links: the numbers of both are compared with them."""
    return re.sub(r"`[^`]*`|\]\([^)]*\)", " ", text)


def _link(link: str, pair: Pair, root: Path = ROOT) -> str:
    """The target that a link must have in the translation: a translated one, if there is such a file."""
    path, _, anchor = link.partition("#")
    if not path or re.match(r"[a-z]+:", link):
        return link
    target = posixpath.normpath(posixpath.join(posixpath.dirname(pair.original), path))
    other = translated_path(target, pair.language)
    there = root / Path(other).with_suffix(".py") if other.endswith(".ipynb") else root / other
    target = other if there.exists() else target
    relative = posixpath.relpath(target, posixpath.dirname(pair.translated))
    return f"{relative}#{anchor}" if anchor else relative


# --- is it the same program? ---


def _program(code: str, strings: dict[str, str], quiz: str) -> str:
    """The syntax tree, with listed strings translated and a sign in the place of words that are shown."""
    return ast.dump(_Shown(strings, quiz).visit(ast.parse(code)))


class _Shown(ast.NodeTransformer):
    """Replaces the words that a reader is shown by a sign; other strings by what `strings` says."""

    def __init__(self, strings: dict[str, str], quiz: str) -> None:
        self.strings, self.quiz = strings, quiz

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str):
            return ast.Constant(self.strings.get(node.value, node.value))
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        first = node.body[0]
        if isinstance(first, ast.Expr):
            first.value = self._shown(first.value)
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        if name == "print" or (name in PLOT_WORDS and isinstance(node.func, ast.Attribute)):
            node.args = [self._shown(argument) for argument in node.args]
        if name == "quiz" and self.quiz:
            node.args = [ast.Constant(self.quiz)]
        for keyword in node.keywords:
            if keyword.arg == "label" or name == "print":
                keyword.value = self._shown(keyword.value)
        self.generic_visit(node)
        return node

    def _shown(self, node: Any) -> Any:
        """The expression with its words replaced."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"[^\W\d_]", node.value):
            return ast.Constant("shown")
        if isinstance(node, ast.IfExp):
            node.body, node.orelse = self._shown(node.body), self._shown(node.orelse)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            node.left, node.right = self._shown(node.left), self._shown(node.right)
        elif isinstance(node, ast.JoinedStr):
            values = [value for value in node.values if isinstance(value, ast.FormattedValue)]
            for value in values:
                value.value = self._shown(value.value)
            return ast.JoinedStr(sorted(values, key=ast.dump))
        return node


# --- the command ---


def _file(language: Language, name: str) -> Path:
    return CHAPTERS / language.folder / name


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def form(pair: Pair) -> list[str]:
    """What is wrong with the form of a translation."""
    if not (ROOT / pair.translated).exists():
        return [f"{pair.translated} is missing: the translation of {pair.original}"]
    strings = _json(_file(pair.language, "strings.json")).get(Path(pair.original).stem, {})
    return differences(pair, *read_pair(pair), strings)


def complaints() -> list[str]:
    """A line for all that is missing, differs or has changed, in every language."""
    found = []
    for language in TRANSLATIONS:
        noted = _json(_file(language, "translated.json"))
        for pair in pairs(language):
            found += form(pair)
            if (ROOT / pair.translated).exists():
                found += changes(pair, noted.get(pair.original, []), read_pair(pair)[0])
    return found


def accept(names: Sequence[str]) -> list[str]:
    """Note that these translations are in line with the English. Returns what is wrong, and then notes nothing."""
    found = []
    for language in TRANSLATIONS:
        path = _file(language, "translated.json")
        noted = _json(path)
        chosen = [pair for pair in pairs(language) if Path(pair.original).stem in names]
        known = {Path(pair.original).stem for pair in pairs(language)}
        found += [f"{name}: no such text; there are {', '.join(sorted(known))}" for name in set(names) - known]
        for pair in chosen:
            found += form(pair)
        if not found:
            noted |= {pair.original: [part.hash for part in read_pair(pair)[0]] for pair in chosen}
            text = json.dumps(dict(sorted(noted.items())), indent=1) + "\n"
            temporary = path.with_name(f".{path.name}.tmp")
            temporary.write_text(text, encoding="utf-8", newline="\n")
            os.replace(temporary, path)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, or accept; 1 if anything is not in line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--accept", nargs="+", metavar="NAME", help="texts such as 02_splitting (with its quiz) or index"
    )
    args = parser.parse_args(argv)
    found = accept(args.accept) if args.accept else complaints()
    if found:
        print("\n".join(found), file=sys.stderr)
        print("\nBring the translation in line, then: python tools/translations.py --accept NAME", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
