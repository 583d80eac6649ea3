"""`python -m training.sampling.endpoint`: responses from an OpenAI-compatible endpoint.

POST {endpoint}/chat/completions, several at a time, again where the server is busy or away. The key
comes from the environment and goes nowhere else. training/sampling/protocol.py describes the input
and the output.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import ssl
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpx
import stamina

from training.child_process import end_with_parent
from training.errors import UserError
from training.sampling.protocol import requests, say

PATH = "/chat/completions"
BUSY = {408, 409, 425, 429}  # and all from 500 on
FIRST_WAIT, MAX_WAIT = 0.5, 60.0  # seconds
MAX_ANSWER_BYTES = 64 * 2**20
MAX_ERROR_BYTES = 2**16
MAX_ERROR_CHARACTERS = 200  # of an error as it is shown
NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.ProxyError,
    httpx.WriteError,
    httpx.WriteTimeout,
)
# How servers say that they do not take `n` or `seed`.
UNKNOWN = re.compile(r"\bn\b|seed|extra|permitted|support|unknown|unrecognized|unexpected", re.I)


class RefusedError(Exception):
    """Raised where the endpoint refuses one request, but perhaps no other."""


class FailedError(RefusedError):
    """Raised where the endpoint stays busy with one request, while it answers others."""


class BusyError(Exception):
    """Raised where the endpoint may answer the same request later."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait  # seconds, where the server gives them


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
        self.client = make_client(self.url, self.key, arguments.timeout)
        self.retrying = stamina.RetryingCaller(
            attempts=arguments.retries + 1,
            timeout=None,
            wait_initial=FIRST_WAIT,
            wait_max=MAX_WAIT,
            wait_jitter=FIRST_WAIT,
        )
        self.answers = 0
        self.basic_only = False  # leaves out what not every server takes, once one refused it
        self.length_key = "max_tokens"

    def sample(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request of the protocol."""
        found: list[dict[str, Any]] = []
        for prompt in request["prompts"]:
            try:
                found.append(self.responses(prompt, request["temperature"], request["seed"]))
            except RefusedError as error:
                found.append({"error": str(error)})
        return {"id": request["id"], "found": found}

    def responses(self, prompt: dict[str, Any], temperature: float, seed: int) -> dict[str, Any]:
        """Return the texts that a prompt wants, from several requests where a server gives few."""
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
        """Return the choices of an answer, asked for without `more` where the server refuses it."""
        if self.basic_only:
            return self.ask_patiently(body)
        try:
            return self.ask_patiently(body | more)
        except FailedError:
            raise
        except RefusedError as error:
            if "max_completion_tokens" in str(error) and "max_tokens" in body:
                body["max_completion_tokens"] = body.pop("max_tokens")
                found = self.ask_patiently(body | more)
                self.length_key = "max_completion_tokens"
                return found
            try:
                found = self.ask_patiently(body)
            except RefusedError:
                raise error from None
            self.basic_only = bool(UNKNOWN.search(str(error)))
            return found

    def ask_patiently(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Ask, and retry where the server is busy.

        Where it stays busy, raises FailedError if it has answered others meanwhile, else UserError.
        """
        answers = self.answers
        try:
            return self.retrying(wait_before_retry, self.ask, body)
        except BusyError as error:
            times = f"{self.arguments.retries + 1} times in a row"
            if self.answers > answers:
                raise FailedError(f"{error}, {times}") from None
            raise UserError(f"{self.url} {error}, {times}") from None

    def ask(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Send a request. Raises BusyError, RefusedError, or UserError for what ends them all."""
        try:
            with self.client.stream("POST", self.url, json=body) as answer:
                refused = None if answer.is_success else self.refusal(answer)
                raw = b"" if refused else read(answer, MAX_ANSWER_BYTES)
        except httpx.HTTPError as error:
            raise self.absence(error) from None
        if refused:
            raise refused
        try:
            found = json.loads(raw)
        except ValueError:
            raise BusyError("answers with something that is not JSON") from None
        choices = found.get("choices") if isinstance(found, dict) else None
        if not isinstance(choices, list) or not all(isinstance(c, dict) for c in choices):
            raise UserError(f"{self.url} does not answer as OpenAI's chat completions do")
        self.answers += 1
        return choices

    def refusal(self, answer: httpx.Response) -> Exception:
        """Return the error for a status that is no success."""
        code = answer.status_code
        if code == 401 or (code == 403 and not self.answers):
            where = f"the environment variable {self.arguments.key_variable}"
            what = "the key in" if self.key else "a request without a key; put one into"
            return UserError(f"{self.url} refuses {what} {where} (status {code})")
        if code == 404:
            return UserError(f"{self.url} has no model {self.arguments.model!r}, or is not there")
        if 300 <= code < 400:
            return UserError(
                f"{self.url} redirects elsewhere (status {code}): give the final address"
            )
        said = self.words(answer)
        if code == 402 or "insufficient_quota" in said:
            return UserError(f"{self.url} has no quota left for this key")
        if code in BUSY or code >= 500:
            return BusyError(
                f"answers with status {code}", seconds(answer.headers.get("Retry-After"))
            )
        return RefusedError(f"status {code}: {said}")

    def words(self, answer: httpx.Response) -> str:
        """Return the server's description of an error, in one line and without the key."""
        try:
            raw = read(answer, MAX_ERROR_BYTES).decode(errors="replace")
        except httpx.HTTPError:
            return ""
        try:
            said = json.loads(raw)
            said = said.get("error", said)
            raw = str(said.get("message", said)) + f" {said.get('code') or ''}"
        except (ValueError, AttributeError):
            pass
        if self.key:
            raw = raw.replace(self.key, "...")
        return " ".join(raw.split())[:MAX_ERROR_CHARACTERS]

    def absence(self, error: httpx.HTTPError) -> Exception:
        """Return the error for a failed connection: at first, that the address is wrong."""
        if isinstance(error, NEVER_SENT) and not self.answers:
            return UserError(f"{self.url} cannot be reached: {reason_of(error)}")
        if isinstance(error, httpx.TimeoutException):
            return BusyError(f"does not answer within {self.arguments.timeout:g} s")
        return BusyError(f"breaks off: {reason_of(error)}")


def make_client(url: str, key: str, timeout: float) -> httpx.Client:
    """Return a client that sends the key to this address, and to no other. Raises UserError."""
    return httpx.Client(
        headers={"Accept-Encoding": "identity", "Accept": "application/json"}
        | ({"Authorization": f"Bearer {key}"} if key else {}),
        timeout=timeout,
        follow_redirects=False,
        trust_env=False,  # it would take a password from ~/.netrc, and any proxy
        proxy=proxy_for(url),
        verify=ssl.create_default_context(),
        limits=httpx.Limits(max_connections=None),  # --concurrency limits them
    )


def proxy_for(url: str) -> httpx.Proxy | None:
    """Return the environment's proxy for HTTPS, which cannot read a key that it passes on."""
    found = httpx.URL(url)
    proxy = getproxies().get("https")
    if found.scheme != "https" or not proxy or proxy_bypass(found.netloc.decode()):
        return None
    try:
        return httpx.Proxy(proxy if "://" in proxy else f"http://{proxy}")
    except (ValueError, httpx.InvalidURL):
        raise UserError("the proxy in https_proxy is not an address: http://host:port") from None


def read(answer: httpx.Response, limit: int) -> bytes:
    """Return the beginning of an answer, up to `limit` bytes."""
    found = bytearray()
    for some in answer.iter_bytes():
        found += some
        if len(found) >= limit:
            break
    return bytes(found[:limit])


def wait_before_retry(error: Exception) -> bool | float:
    """Return the seconds that a busy server asks to wait, True for a growing wait, else False."""
    if not isinstance(error, BusyError):
        return False
    return True if error.wait is None else min(error.wait, MAX_WAIT)


def reason_of(error: BaseException) -> str:
    """Return the system's description of a failed connection, or httpx's."""
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return str(error) or type(error).__name__


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that led to it."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def is_address(url: str) -> bool:
    """Return True for a URL of HTTP or HTTPS with a host."""
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL:  # a port that is no number, for one
        return False
    return found.scheme in ("http", "https") and bool(found.host) and found.port != 0


def seconds(retry_after: str | None) -> float | None:
    """Return the value of a Retry-After header if it is a number of seconds."""
    try:
        found = float(retry_after or "")
    except ValueError:
        return None
    return max(found, 0.0) if math.isfinite(found) else None


def main(argv: Sequence[str] | None = None) -> int:
    end_with_parent()
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
    stamina.instrumentation.set_on_retry_hooks([])  # they would log the prompts
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
    """Print in one line why the program ends, and return its exit code."""
    known = isinstance(error, UserError)
    said = str(error) if known else f"unexpected {type(error).__name__}: {error}"
    print("error:", " ".join(said.split()), file=sys.stderr, flush=True)
    return 2 if known else 1


if __name__ == "__main__":
    sys.exit(main())
