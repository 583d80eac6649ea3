"""Serve rewards over HTTP, in the dialects of RL trainers.

python -m training.serve --model FOLDER --bind HOST:PORT
python -m training.serve --project SLUG --alias champion

Options only: training/programs/serve.py does it.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from training.commandline import Parser, run, work_in
from training.errors import UserError
from training.serving.address import ALIASES, CHAMPION, TOKENS, address, is_own, tokens


def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser("python -m training.serve", "Serve the rewards of models over HTTP.")
    add_models(parser)
    add_answers(parser)
    add_limits(parser)
    parser.add_argument("--traceback", action="store_true", help="show where an error came from")
    return run(parser, argv, work_in("training.programs.serve"), check)


def add_models(parser: Parser) -> None:
    """Add the options that say which models are served, where, and on what."""
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--model", metavar="FOLDER", help="folder of a run, or of its model")
    whose.add_argument(
        "--project",
        metavar="SLUG",
        help="project whose registry is followed: after a promotion, the new model answers",
    )
    whose.add_argument(
        "--all-projects",
        action="store_true",
        help="follow the registries of all projects; requests name theirs in the path",
    )
    parser.add_argument(
        "--alias",
        choices=ALIASES,
        default=CHAMPION,
        help="model of --project that answers (default: champion)",
    )
    parser.add_argument(
        "--most-models",
        type=int,
        default=3,
        metavar="INT",
        help="models of registries that stay loaded (default: 3)",
    )
    parser.add_argument(
        "--bind",
        default="127.0.0.1:8010",
        metavar="HOST:PORT",
        help="address; other than this machine's own only with a token in"
        f" {TOKENS} (default: 127.0.0.1:8010)",
    )
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="device to compute on (default: auto)",
    )


def add_answers(parser: Parser) -> None:
    """Add the options that say what is answered where there is no valid reward."""
    parser.add_argument(
        "--when-cut",
        choices=("refuse", "score"),
        default="refuse",
        help="responses and prompts that are longer than the model reads have no valid reward, or"
        " the reward of what is left (default: refuse)",
    )
    parser.add_argument(
        "--invalid-reward",
        type=float,
        metavar="FLOAT",
        help="reward of responses without a valid one, for clients that cannot read"
        " that a reward is not valid (default: their requests are refused)",
    )


def add_limits(parser: Parser) -> None:
    """Add the options that bound how many responses wait, and for how long."""
    parser.add_argument(
        "--most-waiting",
        type=int,
        default=4096,
        metavar="INT",
        help="responses that may wait; requests beyond them are refused with the time to ask again"
        " (default: 4096)",
    )
    parser.add_argument(
        "--longest-wait",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="time that a request may have to wait; beyond it, requests are refused in the same way"
        " (default: 60)",
    )
    parser.add_argument(
        "--stop-seconds",
        type=int,
        default=60,
        metavar="INT",
        help="time to answer the requests that have come when the service is stopped (default: 60)",
    )


def check(arguments: argparse.Namespace) -> None:
    """Raise UserError for a missing folder, and for a public address without a token."""
    if arguments.model is not None and not Path(arguments.model).is_dir():
        raise UserError(f"--model {arguments.model} is not a folder")
    if arguments.invalid_reward is not None and not math.isfinite(arguments.invalid_reward):
        raise UserError("--invalid-reward must be a finite number")
    if arguments.most_models < 1:
        raise UserError("--most-models must be at least 1")
    if arguments.most_waiting < 1:
        raise UserError("--most-waiting must be at least 1")
    if not arguments.longest_wait > 0:
        raise UserError("--longest-wait must be more than 0")
    if arguments.stop_seconds < 1:
        raise UserError("--stop-seconds must be at least 1")
    host, _ = address(arguments.bind)
    # A registry has tokens of its own, and without one a project's models answer nobody.
    if arguments.model is not None and not is_own(host) and not tokens():
        raise UserError(
            f"--bind {arguments.bind} can be reached by others: set {TOKENS}, or bind to 127.0.0.1"
        )


if __name__ == "__main__":
    sys.exit(main())
