"""The same rankings under several settings: a run for each, and a table that holds them all.

python -m training.compare --rankings FILE --folder FOLDER --vary optimizer=adamw,sgd --seeds 3

Options only: training/programs/compare.py does it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from training.commandline import Parser, add_shared_arguments, run, work_in
from training.config import add_arguments
from training.programs.combinations import plan


def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser("python -m training.compare", "Run several settings on the same rankings.")
    add_shared_arguments(parser, run_folder=False)
    group = parser.add_argument_group("what is compared")
    group.add_argument("--rankings", metavar="FILE", help="ranking JSONL instead of a database")
    group.add_argument("--folder", required=True, help="folder for the runs and the table")
    group.add_argument(
        "--vary",
        action="append",
        required=True,
        metavar="SETTING=VALUE,VALUE",
        help="values of a setting; where several settings vary, every combination is run",
    )
    group.add_argument("--seeds", type=int, default=1, help="runs of each (default: 1)")
    add_arguments(parser)
    return run(parser, argv, work_in("training.programs.compare"), check)


def check(arguments: argparse.Namespace) -> None:
    """Raise UserError for options that do not go together."""
    plan(arguments)


if __name__ == "__main__":
    sys.exit(main())
