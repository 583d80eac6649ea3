"""The web application of the reward service: routes, tokens, limits, errors and metrics."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from training.errors import UserError
from training.serving.address import ALIASES
from training.serving.batcher import FullError, StoppingError
from training.serving.dialects import (
    EmbeddingsRequest,
    LlamaFactoryRequest,
    OpenRlhfRequest,
    SlimeRequest,
    classify_request,
)
from training.serving.items import Encoded, Scored
from training.serving.json_http import RefusedError, in_a_sentence, json_answer, read_json, refusal
from training.serving.metrics import Metrics
from training.serving.nemo_gym import NemoGymRequest
from training.serving.registry import NotFoundError, Wanted
from training.serving.request import MOST, Request
from training.serving.score_request import ScoreRequest
from training.serving.store import RETRY_SECONDS, ModelStore, Served

if TYPE_CHECKING:
    from training.serving.model import ServedModel

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
PROJECT = "/projects/{project}"
MODELS = {
    "": None,
    PROJECT: "champion",
    **{f"{PROJECT}/{alias}": alias for alias in ALIASES},
    f"{PROJECT}/versions/{{number}}": "number",
}
"""Beginnings of paths, and which model of a project they stand for."""
PREFIXES = MODELS | {f"/tokens/{{token}}{path}": which for path, which in MODELS.items()}
"""The same, and with a token before it, for clients that cannot send a header."""
OPEN = frozenset({"/health", "/ready"})
"""Paths that need no token. Those of a project do: they tell that it is there."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Hold what whoever starts the service decides."""

    tokens: tuple[bytes, ...] = ()
    """SHA-256 of the tokens that open everything; a project may have more of its own."""
    is_open: bool = True
    """True if whoever reaches the service needs no token where there is none."""
    most_bytes: int = 16 << 20
    score_cut: bool = False
    """True if a response that was cut has a valid reward."""
    invalid_reward: float | None = None
    """Reward of responses without a valid one, in dialects that cannot say so."""


def hash_token(token: str) -> bytes:
    return sha256(token.encode()).digest()


class Service:
    """Answer requests with the rewards of the models of a store."""

    def __init__(self, models: ModelStore, settings: Settings, metrics: Metrics) -> None:
        self.models = models
        self.settings = settings
        self.metrics = metrics
        # One thread, because an encoder counts what it cuts.
        self.encoding = ThreadPoolExecutor(1, thread_name_prefix="encoding")
        self.loading = ThreadPoolExecutor(thread_name_prefix="loading")

    def application(self) -> Starlette:
        """Return the application, with a route for each dialect of each model."""
        routes = [
            route
            for prefix, which in PREFIXES.items()
            for route in (
                *(
                    self.route(prefix + path, path, partial(self.score, which, dialect), "POST")
                    for path, dialect in DIALECTS.items()
                ),
                self.route(prefix + "/ready", "/ready", partial(self.ready, which)),
                self.route(prefix + "/v1/models", "/v1/models", partial(self.list_models, which)),
            )
        ]
        routes += [
            self.route("/health", "/health", self.health),
            self.route("/metrics", "/metrics", self.show_metrics),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: self.http_error})

    def route(
        self,
        path: str,
        name: str,
        endpoint: Callable[[HttpRequest], Awaitable[Response]],
        method: str = "GET",
    ) -> Route:
        """Return a route that asks for a token, and answers every error in one sentence."""

        async def answer(request: HttpRequest) -> Response:
            with self.metrics.timed(name) as timed:
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
            if (served := getattr(request.state, "served", None)) is not None:
                # The name of a folder may have letters that headers cannot carry.
                response.headers["X-Podium-Model"] = quote(served.model.name, safe="/")
                response.headers["X-Podium-Run"] = quote(served.model.run)
                response.headers["X-Podium-Digest"] = served.model.digest
            return response

        return Route(path, answer, methods=[method])

    def check_token(self, request: HttpRequest) -> None:
        """Raise RefusedError unless the request has one of the tokens."""
        project = request.path_params.get("project")
        tokens = (*self.settings.tokens, *self.models.tokens(project))
        if not tokens and self.settings.is_open and not self.models.had_tokens(project):
            return
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            token = request.path_params.get("token", "")
        found = hash_token(token.strip())
        # All are compared, so that the time does not tell which was nearly right.
        if not sum(hmac.compare_digest(found, one) for one in tokens):
            raise RefusedError(
                401,
                "a token is missing or wrong; send Authorization: Bearer TOKEN",
                WWW_Authenticate="Bearer",
            )

    async def find(self, which: str | None, request: HttpRequest) -> Served:
        """Return the model that a request asks for, loaded. Raises RefusedError."""
        wanted = wanted_by(which, request)
        try:
            served = self.models.loaded(wanted)
            if served is None:
                served = await asyncio.get_running_loop().run_in_executor(
                    self.loading, self.models.load, wanted
                )
        except NotFoundError as error:
            raise RefusedError(404, str(error)) from error
        except UserError as error:  # which may name a folder of the server
            raise RefusedError(
                503,
                "the model cannot be loaded; the service has printed why",
                Retry_After=str(RETRY_SECONDS),
            ) from error
        request.state.served = served
        return served

    async def score(
        self,
        which: str | None,
        dialect: Callable[[object], type[Request]],
        request: HttpRequest,
    ) -> Response:
        served = await self.find(which, request)
        body = read_json(await self.read_body(request))
        kind = dialect(body)
        try:
            asked = kind.model_validate(body)
        except ValidationError as error:
            raise RefusedError(422, in_a_sentence(error, kind)) from error
        try:
            scored = await self.rewards(served, asked)
        except StoppingError:  # the alias has just moved: the next model answers
            served = await self.find(which, request)
            try:
                scored = await self.rewards(served, asked)
            except StoppingError as error:
                raise RefusedError(503, str(error), Retry_After="5") from error
        self.metrics.count(scored)
        if not asked.says_invalid:
            scored = self.settle(scored)
        return json_answer(asked.answer(scored, served.model))

    async def rewards(self, served: Served, asked: Request) -> list[Scored]:
        """Return the scores of a request's responses. Raises RefusedError and StoppingError."""
        encoded = await asyncio.get_running_loop().run_in_executor(
            self.encoding, partial(self.encode, served.model, asked)
        )
        try:
            return await served.batcher.rewards(encoded)
        except FullError as error:
            raise RefusedError(503, str(error), Retry_After=str(error.seconds)) from error

    def encode(self, model: ServedModel, asked: Request) -> list[Encoded]:
        """Return a request's responses as token ids. Raises RefusedError if they are too many.

        Not in the thread that answers: long texts take a while.
        """
        items = asked.items(model)
        if len(items) > MOST:
            raise RefusedError(413, f"a request has at most {MOST} responses, not {len(items)}")
        return model.encode(
            items, score_cut=self.settings.score_cut, features=asked.wants_intervals
        )

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

    async def ready(self, which: str | None, request: HttpRequest) -> Response:
        """Say whether a model gives rewards. Only those that are loaded are looked at."""
        try:
            served = self.models.loaded(wanted_by(which, request))
        except NotFoundError as error:
            if which is None and not self.models.has_default:
                return json_answer({"status": "ready"})
            raise RefusedError(503, str(error)) from error
        if served is None:
            raise RefusedError(503, "the model is not loaded yet")
        request.state.served = served
        if not served.batcher.is_running:
            raise RefusedError(503, "the service is stopping")
        return json_answer({"status": "ready", "model": served.model.name})

    async def show_metrics(self, request: HttpRequest) -> Response:
        self.metrics.waiting.set(sum(one.batcher.waiting for one in self.models.all_loaded()))
        return Response(generate_latest(self.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def list_models(self, which: str | None, request: HttpRequest) -> Response:
        served = await self.find(which, request)
        one = {"id": served.model.name, "object": "model", "owned_by": "podium"}
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


def wanted_by(which: str | None, request: HttpRequest) -> Wanted | None:
    """Return the model that the path of a request names, or None for the service's own."""
    if which is None:
        return None
    return Wanted(request.path_params["project"], request.path_params.get("number") or which)
