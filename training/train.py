"""Train a reward model from rankings.

python -m training.train --project SLUG --run-folder FOLDER

Options only: training/programs/train.py does it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from training.commandline import Parser, add_shared_arguments, database_project, end, run, work_in
from training.config import add_arguments, from_arguments
from training.errors import UserError


def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser("python -m training.train", "Train a reward model from rankings.")
    add_shared_arguments(parser)
    parser.add_argument(
        "--rankings",
        metavar="FILE",
        help="file of rankings, instead of a database",
    )
    parser.add_argument(
        "--cache-folder",
        metavar="FOLDER",
        type=Path,
        help="folder of the token cache, shared by runs (default: cache, beside the run's folder)",
    )
    parser.add_argument(
        "--restart", action="store_true", help="start over instead of resuming an unfinished run"
    )
    add_arguments(parser)
    return run(parser, argv, work_in("training.programs.train"), check)


def check(arguments: argparse.Namespace) -> None:
    """Raise UserError or ValueError for settings, or sources, that do not go together."""
    from_arguments(arguments)
    if not arguments.rankings:
        database_project(arguments)
    elif arguments.project or arguments.database_url:
        raise UserError("give --rankings, or --project with a database, not both")


if __name__ == "__main__":
    end(main())
