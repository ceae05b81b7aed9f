"""From the chapters and the pages of `book/` to a website: the same as `make book`.

python tools/build_book.py            build what has changed since the last time
python tools/build_book.py --all      build every page anew
python tools/build_book.py --to DIR   write DIR/_build/html instead of book/_build/html

A warning is an error, no notebook is run, and nothing is fetched. Open book/_build/html/index.html.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from languages import LANGUAGES

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Book:
    """One language of the book: a folder with its _toc.yml and _config.yml, and where in the website it goes."""

    folder: str
    place: str
    """The folder of the website, "" for the top."""


BOOKS = [Book(f"book/{one.folder}".rstrip("/"), one.folder) for one in LANGUAGES]


def write_config(book: Book, output: Path) -> Path:
    """The configuration of one language: that of the English book, and what the language's own has otherwise."""
    config = yaml.safe_load((ROOT / "book/_config.yml").read_text(encoding="utf-8"))
    if book.place:
        _update(config, yaml.safe_load((ROOT / book.folder / "_config.yml").read_text(encoding="utf-8")))
    extensions = config["sphinx"]["local_extensions"]
    config["sphinx"]["local_extensions"] = {name: str(ROOT / "book" / folder) for name, folder in extensions.items()}
    path = output / "_build" / "config.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def _update(config: dict[str, Any], own: dict[str, Any]) -> None:
    for key, value in own.items():
        if isinstance(value, dict):
            _update(config[key], value)
        else:
            config[key] = value


def build(book: Book, to: Path, fresh: bool) -> Path | None:
    """Build one language below `to`; returns the folder of its pages, None if there was a warning or an error."""
    output = to / "_build" / book.place if book.place else to
    jupyter_book = "from jupyter_book.cli.main import main; main()"  # of this Python: it is no module to run with -m
    command = [sys.executable, "-c", jupyter_book, "build", ".", "--path-output", str(output)]
    command += ["--config", str(write_config(book, output)), "--toc", f"{book.folder}/_toc.yml"]
    command += ["-n", "-W", "--keep-going", "-q", *(["--all"] if fresh else [])]
    done = subprocess.run(command, cwd=ROOT, check=False)
    return output / "_build" / "html" if done.returncode == 0 else None


def main(argv: Sequence[str] | None = None) -> int:
    """Build all languages into one website; 1 if any had a warning."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="build every page anew")
    parser.add_argument("--to", type=Path, default=ROOT / "book", help="the folder that gets _build/html")
    args = parser.parse_args(argv)
    website = args.to.resolve() / "_build" / "html"
    for book in BOOKS:
        pages = build(book, args.to.resolve(), args.all)
        if pages is None:
            print(f"The book in {book.folder}/ was not built: see the warnings above.", file=sys.stderr)
            return 1
        if book.place:
            shutil.copytree(pages, website / book.place, dirs_exist_ok=True)
    print(f"The book is at {website / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
