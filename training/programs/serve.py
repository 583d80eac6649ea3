"""Run `python -m training.serve`: answer requests for rewards until the process is stopped."""

from __future__ import annotations

import argparse
import asyncio
import resource
import socket
import sys
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from training.errors import UserError
from training.serving.address import address, data_dir, database_url, is_own, tokens
from training.serving.application import Service, Settings, hash_token
from training.serving.batcher import Batcher
from training.serving.metrics import Metrics
from training.serving.registry import Registry, Version, Wanted
from training.serving.store import ModelStore, OneModel, RegistryModels, Served

if TYPE_CHECKING:
    from training.serving.model import ServedModel

BACKLOG = 2048
BATCHES = 2
"""Batches of tokens that are computed before the next requests are looked at."""
IDLE_SECONDS = 75
REQUEST_SECONDS = 30
"""Time for the head of the first request of a connection to arrive."""


def work(arguments: argparse.Namespace, _: object) -> None:
    """Serve as the parsed arguments say. Raises UserError."""
    host, port = address(arguments.bind)
    listening = listen(host, port)  # before the model is loaded, which takes longer
    allow_connections()
    metrics = Metrics()
    models = store(arguments, metrics)
    settings = Settings(
        tokens=tuple(hash_token(token) for token in tokens()),
        is_open=is_own(host),
        score_cut=arguments.when_cut == "score",
        invalid_reward=arguments.invalid_reward,
    )
    service = Service(models, settings, metrics)
    host, port = listening.getsockname()[:2]
    at = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    print(f"{what(arguments, models)} at {at}", file=sys.stderr)
    uvicorn.Server(
        uvicorn.Config(
            service.application(),
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=arguments.stop_seconds,
            http=TimedProtocol,
        )
    ).run(sockets=[listening])  # does not return: the signal ends the process


class TimedProtocol(H11Protocol):
    """Close connections on which no request begins in time, which uvicorn leaves open."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(REQUEST_SECONDS, self.close_if_silent)

    def close_if_silent(self) -> None:
        """Close the connection if there has been no request."""
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


def allow_connections() -> None:
    """Let the process have as many connections as the system allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def store(arguments: argparse.Namespace, metrics: Metrics) -> ModelStore:
    """Return the models that the arguments name. Raises UserError."""
    if arguments.model:
        return OneModel(load(arguments, metrics, Path(arguments.model)))
    registry = Registry(database_url(), data_dir(), arguments.project)
    default = Wanted(arguments.project, arguments.alias) if arguments.project else None
    models = RegistryModels(
        registry,
        partial(load_version, arguments, metrics),
        default=default,
        most=arguments.most_models,
    )
    if default is not None:
        if default.project not in models.contents.projects:
            raise UserError(f"--project {default.project}: there is no such project")
        if (default.project, default.which) in models.contents.aliases:
            models.load(default)
    models.start()
    return models


def what(arguments: argparse.Namespace, models: ModelStore) -> str:
    """Return in words which models give rewards."""
    loaded = models.all_loaded()
    if arguments.all_projects:
        return "the models of all projects give rewards"
    if not loaded:
        return f"the {arguments.alias} of {arguments.project}, once there is one, gives rewards"
    [served] = loaded
    kind = "run" if arguments.model else f"the {arguments.alias},"
    return f"{kind} {served.model.name} ({served.model.digest}) gives rewards"


def load_version(arguments: argparse.Namespace, metrics: Metrics, version: Version) -> Served:
    """Load a version of a registry. Raises UserError."""
    if not version.folder.is_dir():
        raise UserError(f"its folder {version.folder} is not on this machine")
    return load(arguments, metrics, version.folder, version.name)


def load(
    arguments: argparse.Namespace, metrics: Metrics, folder: Path, name: str | None = None
) -> Served:
    """Load a model, and start the thread that computes its rewards. Raises UserError."""
    # By its name, because a service without a model yet loads no torch.
    serving = import_module("training.serving.model")
    model: ServedModel = serving.ServedModel.load(folder, arguments.device, name)
    batcher = Batcher(
        model.rewards,
        most_tokens=BATCHES * model.budget,
        most_waiting=arguments.most_waiting,
        longest_wait=arguments.longest_wait,
        on_batch=metrics.batch,
    )
    batcher.start()
    return Served(model, batcher)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises UserError if the address cannot be used."""
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(BACKLOG)
    except OSError as error:
        raise UserError(f"--bind {host}:{port} cannot be used: {error.strerror}") from error
    return listening
