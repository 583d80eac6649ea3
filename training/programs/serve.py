"""Run `python -m training.serve`: answer requests for rewards until the process is stopped."""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path

import uvicorn

from training.distributed.device import silence_transformers
from training.errors import UserError
from training.serving.address import address, tokens
from training.serving.application import Service, Settings, hash_token
from training.serving.batcher import Batcher
from training.serving.metrics import Metrics
from training.serving.model import ServedModel

BACKLOG = 2048
BATCHES = 2
"""Batches of tokens that are computed before the next requests are looked at."""
IDLE_SECONDS = 75
STOP_SECONDS = 60
"""Time for requests that are being answered when the service is stopped."""


def work(arguments: argparse.Namespace, _: object) -> None:
    """Serve as the parsed arguments say. Raises UserError."""
    silence_transformers()
    listening = listen(*address(arguments.bind))  # before the model is loaded, which takes longer
    model = ServedModel.load(Path(arguments.model), arguments.device)
    metrics = Metrics()
    batcher = Batcher(
        model.rewards,
        most_tokens=BATCHES * model.budget,
        most_waiting=arguments.most_waiting,
        longest_wait=arguments.longest_wait,
        on_batch=metrics.batch,
    )
    settings = Settings(
        tokens=tuple(hash_token(token) for token in tokens()),
        score_cut=arguments.when_cut == "score",
        invalid_reward=arguments.invalid_reward,
    )
    service = Service(model, batcher, settings, metrics)
    batcher.start()
    host, port = listening.getsockname()[:2]
    at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    print(f"run {model.run} ({model.digest}) gives rewards at http://{at}", file=sys.stderr)
    uvicorn.Server(
        uvicorn.Config(
            service.application(),
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    ).run(sockets=[listening])
    batcher.stop()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises UserError if the address cannot be had."""
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(BACKLOG)
    except OSError as error:
        raise UserError(f"--bind {host}:{port} cannot be had: {error.strerror}") from error
    return listening
