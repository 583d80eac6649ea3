"""`python -m training.sampling.endpoint`: responses from an OpenAI-compatible endpoint.

POST {endpoint}/chat/completions, several at a time, again where the server is busy or away. The key
comes from the environment and goes nowhere else. Standard library only.
training/sampling/protocol.py says what goes in and out.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, getproxies

from training.errors import UserError
from training.sampling.protocol import requests, say

PATH = "/chat/completions"
BUSY = {408, 409, 425, 429}  # and all from 500 on
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0  # seconds
MOST_BYTES = 64 * 2**20  # of an answer
# How servers say that they do not take `n` or `seed`.
UNKNOWN = re.compile(r"\bn\b|seed|extra|permitted|support|unknown|unrecognized|unexpected", re.I)
SHOWN = 200  # characters of what a server says


class RefusedError(Exception):
    """The endpoint refuses one request, whatever may become of others."""


class FailedError(RefusedError):
    """The endpoint stays busy with one request, while it answers others."""


class BusyError(Exception):
    """The endpoint may answer the same request later; the message says what it did now."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait  # seconds, where the server says


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """The key goes to the address that was given, and to no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Endpoint:
    def __init__(self, arguments: argparse.Namespace) -> None:
        base = arguments.endpoint.rstrip("/")
        self.url = base if base.endswith(PATH) else base + PATH
        if not is_address(self.url):
            raise UserError(f"the endpoint {arguments.endpoint!r} is not an address: http(s)://...")
        self.arguments = arguments
        self.key = os.environ.get(arguments.key_variable, "").strip()
        if not (self.key.isascii() and self.key.isprintable()):
            raise UserError(f"the key in {arguments.key_variable} has characters that no key has")
        # Through a proxy a key goes only where the proxy cannot read it.
        proxies = {name: url for name, url in getproxies().items() if name == "https"}
        self.opener = urllib.request.build_opener(NoRedirect, ProxyHandler(proxies))
        self.answers = 0
        # What not every server takes; left out once one has refused it.
        self.plain = False
        self.length_key = "max_tokens"

    def sample(self, request: dict[str, Any]) -> dict[str, Any]:
        """An answer to a request."""
        found: list[dict[str, Any]] = []
        for prompt in request["prompts"]:
            try:
                found.append(self.responses(prompt, request["temperature"], request["seed"]))
            except RefusedError as error:
                found.append({"error": str(error)})
        return {"id": request["id"], "found": found}

    def responses(self, prompt: dict[str, Any], temperature: float, seed: int) -> dict[str, Any]:
        """As many texts as are wanted, with several requests where a server gives one at a time."""
        texts: list[str] = []
        cut = 0
        for call in range(prompt["count"]):
            wanted = prompt["count"] - len(texts)
            body = {
                "model": self.arguments.model,
                "messages": prompt["messages"],
                "temperature": temperature,
                self.length_key: self.arguments.max_new_tokens,
            }
            if self.arguments.top_p < 1:  # some servers take one of the two only
                body["top_p"] = self.arguments.top_p
            try:
                found = self.choices(body, {"n": wanted, "seed": (seed + call) % 2**31})
            except RefusedError:
                if not texts:
                    raise
                break
            choices = found[:wanted]
            said = [(choice.get("message") or {}).get("content") for choice in choices]
            texts += [text if isinstance(text, str) else "" for text in said]
            cut += sum(choice.get("finish_reason") == "length" for choice in choices)
            if not choices or len(texts) >= prompt["count"]:
                break
        return {"texts": texts, "cut": cut}

    def choices(self, body: dict[str, Any], more: dict[str, Any]) -> list[dict[str, Any]]:
        """What the endpoint answers, without what not every server takes if it refuses that."""
        if self.plain:
            return self.patiently(body)
        try:
            return self.patiently(body | more)
        except FailedError:
            raise
        except RefusedError as error:
            if "max_completion_tokens" in str(error) and "max_tokens" in body:
                body["max_completion_tokens"] = body.pop("max_tokens")
                found = self.patiently(body | more)
                self.length_key = "max_completion_tokens"
                return found
            try:
                found = self.patiently(body)
            except RefusedError:
                raise error from None
            self.plain = bool(UNKNOWN.search(str(error)))
            return found

    def patiently(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Ask, and again where the server is busy.

        Where it stays so, raises FailedError if it has answered others meanwhile, else UserError.
        """
        tries = self.arguments.retries + 1
        answers = self.answers
        for number in range(tries):
            try:
                return self.ask(body)
            except BusyError as error:
                if number == tries - 1 and self.answers > answers:
                    raise FailedError(f"{error}, {tries} times in a row") from None
                if number == tries - 1:
                    raise UserError(f"{self.url} {error}, {tries} times in a row") from None
                wait = min(FIRST_WAIT * 2**number, LONGEST_WAIT) * random.uniform(0.5, 1.0)
                time.sleep(wait if error.wait is None else min(error.wait, LONGEST_WAIT))
        raise AssertionError("a try always ends in an answer or an error")

    def ask(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """One request. Raises BusyError, RefusedError, or UserError for what ends them all."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers)  # noqa: S310
        try:
            with self.opener.open(request, timeout=self.arguments.timeout) as answer:
                found = json.loads(answer.read(MOST_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                raise self.refusal(error.code, error.headers.get("Retry-After"), error) from None
        except (OSError, http.client.HTTPException) as error:
            raise self.absence(error) from None
        except ValueError:
            raise BusyError("answers with something that is not JSON") from None
        choices = found.get("choices") if isinstance(found, dict) else None
        if not isinstance(choices, list) or not all(isinstance(c, dict) for c in choices):
            raise UserError(f"{self.url} does not answer as OpenAI's chat completions do")
        self.answers += 1
        return choices

    def refusal(self, code: int, retry_after: str | None, body: IO[bytes]) -> Exception:
        """What a status that is not 200 means."""
        if code == 401 or (code == 403 and not self.answers):
            where = f"the environment variable {self.arguments.key_variable}"
            what = "the key in" if self.key else "a request without a key; put one into"
            return UserError(f"{self.url} refuses {what} {where} (status {code})")
        if code == 404:
            return UserError(f"{self.url} has no model {self.arguments.model!r}, or is not there")
        if 300 <= code < 400:
            return UserError(f"{self.url} leads elsewhere (status {code}): give the last address")
        said = self.words(body)
        if code == 402 or "insufficient_quota" in said:
            return UserError(f"{self.url} has no quota left for this key")
        if code in BUSY or code >= 500:
            return BusyError(f"answers with status {code}", seconds(retry_after))
        return RefusedError(f"status {code}: {said}")

    def words(self, body: IO[bytes]) -> str:
        """What a server says of an error, in a line, without the key."""
        try:
            raw = body.read(2**16).decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return ""
        try:
            said = json.loads(raw)
            said = said.get("error", said)
            raw = str(said.get("message", said)) + f" {said.get('code') or ''}"
        except (ValueError, AttributeError):
            pass
        if self.key:
            raw = raw.replace(self.key, "...")
        return " ".join(raw.split())[:SHOWN]

    def absence(self, error: Exception) -> Exception:
        """What a connection that fails means: at the very beginning, that the address is wrong."""
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        said = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        if isinstance(error, urllib.error.URLError) and not self.answers:
            return UserError(f"{self.url} cannot be reached: {said}")
        if isinstance(cause, TimeoutError):
            return BusyError(f"does not answer within {self.arguments.timeout:g} s")
        return BusyError(f"breaks off: {said}")


def is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, for one
        return False


def seconds(retry_after: str | None) -> float | None:
    try:
        return max(float(retry_after or ""), 0.0)
    except ValueError:
        return None


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m training.sampling.endpoint", description=__doc__)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--key-variable", default="OPENAI_API_KEY")
    parser.add_argument("--max-new-tokens", type=int, default=512)
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--timeout", type=float, default=120.0)
    parser.add_argument("--retries", type=int, default=6)
    arguments = parser.parse_args(argv)
    try:
        endpoint = Endpoint(arguments)
    except UserError as error:
        return ended(error)

    def work(request: dict[str, Any]) -> None:
        try:
            say(endpoint.sample(request))
        except Exception as error:  # noqa: BLE001 - the end of the program, for all threads
            os._exit(ended(error))

    say({"ready": True})
    with ThreadPoolExecutor(arguments.concurrency) as pool:
        for request in requests():
            pool.submit(work, request)
    return 0


def ended(error: Exception) -> int:
    """Say in a line why the program ends; its exit code."""
    known = isinstance(error, UserError)
    said = str(error) if known else f"unexpected {type(error).__name__}: {error}"
    print("error:", " ".join(said.split()), file=sys.stderr, flush=True)
    return 2 if known else 1


if __name__ == "__main__":
    sys.exit(main())
