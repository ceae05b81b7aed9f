"""Which links out of the course lead nowhere? Needs the internet, and nothing but Python.

python tools/check_links.py              every link in the text files that git knows
python tools/check_links.py README.md    those of one file

Dead is what a server says is not found (404, 410), and a name that no server has. What a server refuses to programs
(403, 429), or fails to answer now, is told and is no failure.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[1]
TEXTS = {".md", ".py", ".html", ".yml", ".cff", ".toml"}
LINK = re.compile(r"https?://[^][\s<>\"'`\\{}|]+[^][\s<>\"'`\\{}|.,;:!?*]")
MADE_UP = re.compile(
    r"https?://(localhost|127\.|\[|[\w.-]*example\.|[\w.-]*\.(invalid|test)\b|github\.com/(someone|me)/|[^/]*\.\.\.)"
)
"""Addresses in tests and examples that no server has."""


def links(text: str) -> set[str]:
    """The outside links of a text, without anchors; a closing bracket belongs to one that has the opening."""
    found = set()
    for match in LINK.finditer(text):
        link = match[0]
        while link.endswith(")") and link.count("(") < link.count(")"):
            link = link[:-1]
        if not MADE_UP.match(link):
            found.add(link.split("#")[0])
    return found


def collect(paths: Sequence[Path]) -> dict[str, list[str]]:
    """Each link, with the files that hold it."""
    where = defaultdict(list)
    for path in paths:
        for link in links(path.read_text(encoding="utf-8")):
            where[link].append(path.name)
    return where


def visit(link: str, timeout: float = 20) -> tuple[str, str]:
    """`fine`, `dead` or `unsure`, and why."""
    request = Request(link, headers={"User-Agent": "Mozilla/5.0 (link check of a course)"})
    try:
        with urlopen(request, timeout=timeout):
            return "fine", ""
    except HTTPError as error:
        return ("dead" if error.code in (404, 410) else "unsure"), f"{error.code} {error.reason}"
    except URLError as error:
        return ("dead" if "not known" in str(error.reason) else "unsure"), str(error.reason)
    except (OSError, ValueError) as error:
        return "unsure", str(error)


def texts() -> list[Path]:
    """The text files of the repository, tests left out: their addresses are made up."""
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return [ROOT / name for name in names if Path(name).suffix in TEXTS and not name.startswith("tests/")]


def main(argv: Sequence[str] | None = None) -> int:
    """1 if a link is dead."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="default: every text file of the repository")
    where = collect(parser.parse_args(argv).files or texts())
    with ThreadPoolExecutor(8) as pool:
        results = dict(zip(where, pool.map(visit, where), strict=True))
    for link, (state, why) in sorted(results.items(), key=lambda item: item[1]):
        if state != "fine":
            print(f"{state}: {link} ({why}) in {', '.join(where[link])}")
    count = [state for state, _ in results.values()].count
    print(f"{len(results)} links: {count('fine')} fine, {count('unsure')} unsure, {count('dead')} dead")
    return int(count("dead") > 0)


if __name__ == "__main__":
    sys.exit(main())
