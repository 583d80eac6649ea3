"""The web application of the reward service: routes, tokens, limits, errors and metrics."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from training.serving.batcher import Batcher, FullError, StoppingError
from training.serving.dialects import (
    MOST,
    EmbeddingsRequest,
    LlamaFactoryRequest,
    NemoGymRequest,
    OpenRlhfRequest,
    Request,
    ScoreRequest,
    SlimeRequest,
    classify_request,
)
from training.serving.metrics import Metrics
from training.serving.model import Scored, ServedModel

BODY_SECONDS = 30.0
"""Time for a request's body to arrive."""
DIALECTS: dict[str, Callable[[object], type[Request]]] = {
    "/score": lambda body: ScoreRequest,
    "/classify": classify_request,
    "/v1/classify": classify_request,
    "/v1/embeddings": lambda body: EmbeddingsRequest,
    "/get_reward": lambda body: OpenRlhfRequest,
    "/slime": lambda body: SlimeRequest,
    "/llamafactory": lambda body: LlamaFactoryRequest,
    "/verify": lambda body: NemoGymRequest,
}
"""The dialect of a request, by its path and its body."""
OPEN = frozenset({"/health", "/ready"})
"""Paths that need no token."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Hold what whoever starts the service decides."""

    tokens: tuple[bytes, ...] = ()
    """SHA-256 of the tokens, any of which opens the service; empty if it is open to all."""
    most_bytes: int = 16 << 20
    score_cut: bool = False
    """True if a response that was cut has a valid reward."""
    invalid_reward: float | None = None
    """Reward of responses without a valid one, in dialects that cannot say so."""


class RefusedError(Exception):
    """Raised for a request that cannot be answered; the message says what to do."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        super().__init__(message)


def hash_token(token: str) -> bytes:
    return sha256(token.encode()).digest()


class Service:
    """Answer requests with the rewards of one model."""

    def __init__(
        self, model: ServedModel, batcher: Batcher, settings: Settings, metrics: Metrics
    ) -> None:
        self.model = model
        self.batcher = batcher
        self.settings = settings
        self.metrics = metrics
        # One thread, because the encoder counts what it cuts.
        self.encoding = ThreadPoolExecutor(1, thread_name_prefix="encoding")

    def application(self) -> Starlette:
        """Return the application, with a route for each dialect."""
        routes = [
            Route(path, partial(self.score, dialect), methods=["POST"])
            for path, dialect in DIALECTS.items()
        ]
        routes += [
            Route("/health", self.health),
            Route("/ready", self.ready),
            Route("/metrics", self.show_metrics),
            Route("/v1/models", self.models),
        ]
        return Starlette(
            routes=[
                Route(route.path, self.guarded(route.path, route.endpoint), methods=route.methods)
                for route in routes
            ],
            exception_handlers={HTTPException: self.http_error},
        )

    def guarded(
        self, path: str, endpoint: Callable[[HttpRequest], Awaitable[Response]]
    ) -> Callable[[HttpRequest], Awaitable[Response]]:
        """Return an endpoint that asks for a token, and answers every error in one sentence."""

        async def answer(request: HttpRequest) -> Response:
            with self.metrics.timed(path) as timed:
                try:
                    if path not in OPEN:
                        self.check_token(request)
                    response = await endpoint(request)
                except RefusedError as error:
                    response = refusal(error.status, str(error), error.headers)
                except ClientDisconnect:
                    response = refusal(400, "the client went away", {})
                except Exception as error:  # noqa: BLE001 - the service goes on, whatever it is
                    self.metrics.report(error)
                    response = refusal(500, "the rewards could not be computed", {})
                timed.status = response.status_code
            response.headers["X-Podium-Run"] = self.model.run
            response.headers["X-Podium-Digest"] = self.model.digest
            return response

        return answer

    def check_token(self, request: HttpRequest) -> None:
        """Raise RefusedError unless the request has one of the tokens."""
        if not self.settings.tokens:
            return
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        found = hash_token(token.strip()) if scheme.lower() == "bearer" else b""
        # All are compared, so that the time does not tell which was nearly right.
        if not sum(hmac.compare_digest(found, one) for one in self.settings.tokens):
            raise RefusedError(
                401,
                "a token is missing or wrong; send Authorization: Bearer TOKEN",
                WWW_Authenticate="Bearer",
            )

    async def score(
        self, dialect: Callable[[object], type[Request]], request: HttpRequest
    ) -> Response:
        body = read_json(await self.read_body(request))
        kind = dialect(body)
        try:
            asked = kind.model_validate(body)
        except ValidationError as error:
            raise RefusedError(422, in_a_sentence(error, kind)) from error
        items = asked.items(self.model)
        if len(items) > MOST:
            raise RefusedError(413, f"a request has at most {MOST} responses, not {len(items)}")
        encoded = await asyncio.get_running_loop().run_in_executor(
            self.encoding,
            partial(self.model.encode, items, score_cut=self.settings.score_cut),
        )
        try:
            scored = await self.batcher.rewards(encoded)
        except FullError as error:
            raise RefusedError(503, str(error), Retry_After=str(error.seconds)) from error
        except StoppingError as error:
            raise RefusedError(503, str(error), Retry_After="5") from error
        self.metrics.count(scored)
        if not asked.says_invalid:
            scored = self.settle(scored)
        return json_answer(asked.answer(scored, self.model))

    def settle(self, scored: Sequence[Scored]) -> list[Scored]:
        """Return the scores with the reward for those that are not valid, if there is one.

        Raises RefusedError if there is none.
        """
        for place, one in enumerate(scored):
            if one.reward is None and self.settings.invalid_reward is None:
                which = f"input {place}: " if len(scored) > 1 else ""
                raise RefusedError(422, f"not a valid reward: {which}{one.problem}")
        given = self.settings.invalid_reward
        return [one._replace(reward=given) if one.reward is None else one for one in scored]

    async def read_body(self, request: HttpRequest) -> bytes:
        """Return the body. Raises RefusedError if it is too large or too slow."""
        most = self.settings.most_bytes
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for part in request.stream():
                    size += len(part)
                    if size > most:
                        raise RefusedError(413, f"a request has at most {most} bytes")
                    parts.append(part)
        except TimeoutError as error:
            raise RefusedError(
                408, f"the request did not arrive within {BODY_SECONDS:.0f} seconds"
            ) from error
        return b"".join(parts)

    async def health(self, request: HttpRequest) -> Response:
        return json_answer({"status": "ok"})

    async def ready(self, request: HttpRequest) -> Response:
        if not self.batcher.is_running:
            raise RefusedError(503, "the service is stopping")
        return json_answer({"status": "ready", "model": self.model.name})

    async def show_metrics(self, request: HttpRequest) -> Response:
        self.metrics.waiting.set(self.batcher.waiting)
        return Response(generate_latest(self.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def models(self, request: HttpRequest) -> Response:
        one = {"id": self.model.name, "object": "model", "owned_by": "podium"}
        return json_answer({"object": "list", "data": [one]})

    async def http_error(self, request: HttpRequest, error: Exception) -> Response:
        """Answer a path or a method that there is not."""
        if not isinstance(error, HTTPException):
            raise error
        if error.status_code == 404:
            message = f"there is nothing here; the paths are {', '.join(DIALECTS)}"
        else:
            message = str(error.detail)
        return refusal(error.status_code, message, dict(error.headers or {}))


def refusal(status: int, message: str, headers: dict[str, str]) -> Response:
    """Return an error in the form that OpenAI's, vLLM's and SGLang's clients read."""
    error = {"message": message, "type": "invalid_request_error", "code": status}
    return json_answer({"error": error}, status, headers)


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a value as JSON in ASCII, which can carry half a surrogate pair back."""
    content = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Response(content, status, headers, media_type="application/json")


def read_json(body: bytes) -> Any:
    """Return the value of a JSON text. Raises RefusedError."""
    try:
        return json.loads(body, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "the request is not valid JSON") from error


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def in_a_sentence(error: ValidationError, kind: type[Request]) -> str:
    """Return the first of pydantic's errors, with what its key must have."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if not first["loc"]:
        return first["msg"].removeprefix("Value error, ").replace("Input", "the request")
    key = str(first["loc"][0])
    field = kind.model_fields.get(key)
    if field is None or field.description is None:
        return f"{key}: {first['msg']}"
    missing = " is missing:" if first["type"] == "missing" else " must be"
    return f"{key}{missing} {field.description}"
