"""A hub for tests, on this machine only: enough of the real one to download files, and its ways to fail.

    with HubServer({"config.json": b"…", "model.safetensors": b"…"}) as server:
        hub.fetch("tiny", endpoint=server.url, cache_dir=…)

As the real one, it answers HEAD /OWNER/NAME/resolve/REVISION/FILE with the commit and an ETag, and serves
ranges. A file of `LFS_ENDINGS` is redirected to another place, and its ETag is the SHA-256 of the bytes.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

REPO = "openai-community/tiny"
REVISION = "0123456789abcdef0123456789abcdef01234567"
LFS_ENDINGS = (".safetensors", ".bin")


class HubServer:
    """The switches may be changed between requests; `requests` lists what was asked, "METHOD path" each."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.requests: list[str] = []
        self.ranges: list[str] = []
        self.cut_once: set[str] = set()
        """Files whose next download ends in mid-air, half-way."""
        self.wrong_bytes: set[str] = set()
        """Files that are served with their last byte changed."""
        self.status: int | None = None
        """Answer everything with this status."""
        self.stalled = False
        """Take every request and answer none, until the server is closed."""
        self.closing = threading.Event()
        server = self

        class Handler(_Handler):
            hub = server

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """What HF_ENDPOINT would be."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *args: object) -> None:
        """Quiet."""

    def _answer(self, body: bool) -> None:
        hub = self.hub
        hub.requests.append(f"{self.command} {self.path}")
        if hub.stalled:
            hub.closing.wait(30)
            return
        kind, _, name = self._parse()
        if hub.status is not None:
            self._reply(hub.status, b"", body, {})
        elif kind == "api":
            siblings = [{"rfilename": file} for file in hub.files]
            self._reply(200, json.dumps({"id": REPO, "sha": REVISION, "siblings": siblings}).encode(), body, {})
        elif name not in hub.files:
            self._reply(404, b"", body, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": REVISION})
        elif kind == "resolve" and name.endswith(LFS_ENDINGS):
            self._reply(302, b"", body, {"Location": f"{hub.url}/lfs/{name}", **self._describe(name)})
        else:
            self._send_file(name, body)

    def _parse(self) -> tuple[str, str, str]:
        """(kind, revision, file) of /OWNER/NAME/resolve/REVISION/FILE, /lfs/FILE or /api/…."""
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[0] == "api":
            return "api", "", ""
        if parts[0] == "lfs":
            return "lfs", "", parts[1]
        return "resolve", parts[3], "/".join(parts[4:])

    def _describe(self, name: str) -> dict[str, str]:
        """The hub's headers about a file: of the bytes it should have, not of what a switch makes of them."""
        content = self.hub.files[name]
        lfs = name.endswith(LFS_ENDINGS)
        etag = (hashlib.sha256 if lfs else hashlib.sha1)(content).hexdigest()
        headers = {"X-Repo-Commit": REVISION, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        return headers | ({"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{etag}"'} if lfs else {})

    def _send_file(self, name: str, body: bool) -> None:
        content = self.hub.files[name]
        if name in self.hub.wrong_bytes:
            content = content[:-1] + bytes([content[-1] ^ 1])
        headers, status = self._describe(name), 200
        wanted = self.headers.get("Range")
        if wanted is not None:
            self.hub.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content, status = content[start:], 206
        cut = body and name in self.hub.cut_once
        self.hub.cut_once -= {name} if cut else set()
        self._reply(status, content, body, headers, sent=len(content) // 2 if cut else None)

    def _reply(
        self, status: int, content: bytes, body: bool, headers: Mapping[str, str], sent: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content[:sent])
