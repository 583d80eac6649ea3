"""Score every response of a project's prompts with a trained model.

python -m training.score --run-folder FOLDER --project SLUG

Options only: training/programs/score.py does it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from training.commandline import Parser, add_shared_arguments, database_project, run, work_in
from training.errors import UserError
from training.runs.folder import RunFolder


def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        "python -m training.score", "Score every response of a project with a run's model."
    )
    add_shared_arguments(parser)
    return run(parser, argv, work_in("training.programs.score"), check)


def check(arguments: argparse.Namespace) -> None:
    """Raise UserError where no run or no project is named."""
    folder = RunFolder(arguments.run_folder)
    if folder.read_config() is None:
        raise UserError(f"{folder.path} is not the folder of a run: it has no readable config.json")
    database_project(arguments)


if __name__ == "__main__":
    sys.exit(main())
