"""Judges: callables that take a prompt and return the judge's text.

    OllamaJudge("llama3")                                  Ollama on this machine
    OpenAIJudge("http://localhost:8000/v1", "a-model")     any server that speaks OpenAI's chat API
    OpenAITokenJudge(…)                                    the same, for the log-probabilities of one token
    LocalJudge("folder")                                   a model in a folder: see `judge_local`
    RecordedJudge("verdicts.jsonl", "score")               answers given earlier: no model, no network

A judge raises JudgeError when it cannot answer. Those that ask over HTTP try again, with growing pauses, where trying
again can help (no connection, no answer in time, an unreadable one, "too many requests", an error of the server),
and wait as long as the server asks for (Retry-After), up to `patience`. They send your texts to the address you
name, and nowhere else: redirects are not followed.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ift_lib.errors import InputError
from ift_lib.evaluation.judge import JudgeError, sha256
from ift_lib.evaluation.judge_run import read_log

LONGEST_ANSWER = 4_000_000
"""Bytes; more is no verdict."""
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which trying again can help."""


@dataclass
class Usage:
    """What asking has cost so far; tokens as the server counts them (0 where it does not tell)."""

    requests: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0


class _Again(Exception):
    """This try failed; another may not. `after` is the pause that the server asked for, in seconds."""

    def __init__(self, why: str, after: float = 0.0) -> None:
        super().__init__(why)
        self.after = after


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        """None: the redirect is an error. Following would take the key along to another host."""


class _HTTPJudge(ABC):
    """What the two servers share: one POST with JSON, and trying again."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        timeout: float = 120.0,
        tries: int = 5,
        patience: float = 60.0,
        options: Mapping[str, Any] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`timeout`: seconds for one whole answer. `tries`: how often at most. `patience`: longest pause between two.

        `options` go into the request, over our own.
        """
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise InputError(f"{url!r}: is no web address; write for example http://localhost:11434")
        self.url, self.model, self.options = url.rstrip("/"), model, dict(options or {})
        self.timeout, self.tries, self.patience, self.sleep = timeout, max(1, tries), patience, sleep
        self.usage = Usage()
        self._lock, self._random = threading.Lock(), random.Random(0)
        host = urllib.parse.urlsplit(url).hostname
        # A proxy of the network cannot reach a server on this machine.
        direct = [urllib.request.ProxyHandler({})] if host in ("localhost", "127.0.0.1", "::1") else []
        self._opener = urllib.request.build_opener(_NoRedirect, *direct)

    def __call__(self, prompt: str) -> str:
        """The judge's reply. Raises JudgeError when the last try has failed, or trying again is of no use."""
        for attempt in range(self.tries):
            try:
                return self._ask(prompt)
            except _Again as e:
                why, after = str(e), e.after
            if after > self.patience:
                raise JudgeError(f"{self.model} at {self.url}: {why}, and asks to wait {after:.0f} s")
            if attempt < self.tries - 1:
                self.sleep(max(after, self._pause(attempt)))
        raise JudgeError(f"{self.model} at {self.url}: {why} ({self.tries} tries)")

    def _pause(self, attempt: int) -> float:
        """0.5, 1, 2, 4, … seconds up to 30, each half fixed and half by chance: not all clients come back at once."""
        with self._lock:
            return float(min(30.0, 0.5 * 2**attempt) * (0.5 + 0.5 * self._random.random()))

    @abstractmethod
    def _ask(self, prompt: str) -> str:
        """Ask once. Raises _Again for what may pass, JudgeError for what will not."""

    def _count(self, prompt_tokens: Any, reply_tokens: Any) -> None:
        with self._lock:
            self.usage.prompt_tokens += prompt_tokens if isinstance(prompt_tokens, int) else 0
            self.usage.reply_tokens += reply_tokens if isinstance(reply_tokens, int) else 0

    def _post(self, path: str, body: dict[str, Any], headers: Mapping[str, str]) -> bytes:
        """The answer to one POST; the whole of it within `timeout` seconds."""
        request = urllib.request.Request(self.url + path, json.dumps(body).encode("utf-8"), method="POST")
        for name, value in {"Content-Type": "application/json", **headers}.items():
            request.add_header(name, value)
        with self._lock:
            self.usage.requests += 1
        deadline = time.monotonic() + self.timeout
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                return _read(response, deadline)
        except urllib.error.HTTPError as e:
            with e:
                why = f"HTTP {e.code} {e.reason}: {e.read(300).decode('utf-8', 'replace').strip()}"
                if e.code in AGAIN:
                    raise _Again(why, _retry_after(e.headers.get("Retry-After"))) from e
            raise JudgeError(f"{self.model} at {self.url}: {why}") from e
        except TimeoutError as e:
            raise _Again(f"no answer within {self.timeout:g} s") from e
        except urllib.error.URLError as e:
            raise _Again(f"cannot be reached ({e.reason}); is the server running?") from e
        except (OSError, http.client.HTTPException) as e:
            raise _Again(f"broke off ({type(e).__name__}: {e})") from e


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body. The socket's own time-out begins anew with each piece, so a server that drips is stopped here."""
    pieces, size = [], 0
    while piece := response.read1(65536):
        pieces.append(piece)
        size += len(piece)
        if time.monotonic() > deadline:
            raise TimeoutError
        if size > LONGEST_ANSWER:
            raise _Again(f"an answer of more than {LONGEST_ANSWER:,} bytes")
    return b"".join(pieces)


def _retry_after(value: str | None) -> float:
    """Seconds from a Retry-After header: a number, or a date; 0 where there is none that can be read."""
    if not value:
        return 0.0
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


class OllamaJudge(_HTTPJudge):
    """A model of Ollama (`ollama serve`, `ollama pull llama3`), asked as the book asks it: seed 123, temperature 0."""

    def __init__(self, model: str = "llama3", url: str = "http://localhost:11434", **how: Any) -> None:
        super().__init__(url, model, **how)

    def _ask(self, prompt: str) -> str:
        options = {"seed": 123, "temperature": 0, "num_ctx": 2048} | self.options
        body = {"model": self.model, "messages": [{"role": "user", "content": prompt}], "options": options}
        reply, last = "", {}
        try:
            for line in self._post("/api/chat", body, {}).split(b"\n"):  # a JSON object a line, as they were generated
                if line.strip():
                    last = json.loads(line)
                    reply += last["message"]["content"]
        except (ValueError, KeyError, TypeError) as e:
            said = last.get("error") if isinstance(last, dict) else None
            raise _Again(f"answered, but not as Ollama does ({said or e!r})") from e
        if last.get("done") is not True:
            raise _Again("broke off in the middle of its answer")
        self._count(last.get("prompt_eval_count"), last.get("eval_count"))
        return reply


class OpenAIJudge(_HTTPJudge):
    """A model behind OpenAI's chat API: llama.cpp, vLLM, LM Studio, `transformers serve`, or OpenAI itself.

    `url` ends where "/chat/completions" begins, usually in "/v1". `api_key` is sent to that address alone.
    """

    def __init__(self, url: str, model: str, *, api_key: str = "", **how: Any) -> None:
        super().__init__(url, model, **how)
        self._key = api_key

    def _ask(self, prompt: str) -> str:
        body = {"model": self.model, "messages": [{"role": "user", "content": prompt}]}
        body |= {"temperature": 0, "seed": 123, "stream": False} | self.options
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            answer = json.loads(self._post("/chat/completions", body, headers))
            reply = self._reply(answer["choices"][0])
        except (ValueError, KeyError, IndexError, TypeError) as e:
            raise _Again(f"answered, but not as OpenAI's chat API does ({type(e).__name__}: {e})") from e
        if not isinstance(reply, str):
            raise _Again("answered without a text")
        usage = answer.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        self._count(usage.get("prompt_tokens"), usage.get("completion_tokens"))
        return reply

    def _reply(self, choice: Any) -> Any:
        """What of the server's answer is the reply."""
        return choice["message"]["content"]


class OpenAITokenJudge(OpenAIJudge):
    """The same, for AlpacaEval 2: replies with one token's log-probabilities, which `alpaca_eval.parse_letters` reads.

    Raises JudgeError for a server that gives none (`logprobs` of the chat API).
    """

    def __init__(self, url: str, model: str, **how: Any) -> None:
        one_token = {"max_tokens": 1, "temperature": 1, "logprobs": True, "top_logprobs": 5}
        super().__init__(url, model, **how | {"options": one_token | dict(how.get("options") or {})})

    def _reply(self, choice: Any) -> str:
        super()._reply(choice)  # garbage fails here, and is asked again
        if not choice.get("logprobs"):
            raise JudgeError(f"{self.model} at {self.url}: answers without log-probabilities; use RANKING")
        return json.dumps({"logprobs": choice["logprobs"]})


class RecordedJudge:
    """Gives the answers that a real judge once gave, from a file that `judge_items` wrote.

    Only to the same prompts, letter by letter, of one kind of question; to any other it raises JudgeError. An
    item that was asked about twice is answered in the same order, then from the start.
    """

    def __init__(self, path: str | Path, ask: str = "score") -> None:
        self.path, self.ask = Path(path), ask
        lines = [line for line in read_log(path) if line["ask"] == ask]
        if not lines:
            raise InputError(f"{path}: holds no answers to the question {ask!r}")
        self.judge = str(lines[0]["judge"])
        """The name of the judge that was recorded."""
        self._lines = {line["prompt_sha256"]: line for line in lines}
        self._given: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()

    def __call__(self, prompt: str) -> str:
        line = self._lines.get(sha256(prompt))
        if line is None:
            raise JudgeError(
                f"{self.path.name} holds no answer to this prompt ({prompt[:60]!r}…): it was never asked. "
                "A new prompt needs a real judge: OllamaJudge, OpenAIJudge or LocalJudge"
            )
        if not line["replies"]:
            raise JudgeError(line["error"])
        with self._lock:
            at = self._given[line["prompt_sha256"]]
            self._given[line["prompt_sha256"]] += 1
        return str(line["replies"][at % len(line["replies"])])
