"""The book as a website: built without a network, served by a real HTTP server, its links read and followed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

ROOT = Path(__file__).parents[1]


def build(folder: Path) -> Path:
    """Build the whole book below `folder`; every way to the network leads nowhere."""
    nowhere = dict.fromkeys(
        ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
    )
    command = [sys.executable, str(ROOT / "tools" / "build_book.py"), "--to", str(folder)]
    done = subprocess.run(command, env={**os.environ, **nowhere}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "_build" / "html"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def served(website: Path) -> Iterator[str]:
    """The address of a server of these files."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(website)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


class Links(HTMLParser):
    """What a page refers to, and where in it one can be led to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        if tag == "a" and (target := given.get("href")):
            self.targets.append(target)
        elif source := given.get("src") or (given.get("href") if tag == "link" else None):
            self.loaded.append(source)


def broken_links(website: Path) -> list[str]:
    """A line for each link, picture, script or style of a page that leads nowhere inside the website."""
    paths = [path for path in website.rglob("*.html") if "_static" not in path.parts]  # there: the theme's templates
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in paths}
    base, found = "http://book/", []
    for path, links in pages.items():
        name = path.relative_to(website).as_posix()
        for target in {*links.targets, *links.loaded}:
            address = urlsplit(urljoin(base + name, target))
            if address.netloc != "book" or address.scheme == "data":
                continue
            there = website / unquote(address.path).lstrip("/")
            there = there / "index.html" if there.is_dir() else there
            anchor = unquote(address.fragment)
            if not there.is_file():
                found.append(f"{name}: {target}: no such file")
            elif anchor and there in pages and anchor not in pages[there].anchors:
                found.append(f"{name}: {target}: no such place in it")
    return sorted(found)
