"""Score responses with a trained model: every response of a project's prompts, or those of a file.

python -m training.score --run-folder FOLDER --project SLUG
python -m training.score --run-folder FOLDER --responses FILE

Options only: training/programs/score.py does it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from training.commandline import Parser, add_shared_arguments, database_project, run, work_in
from training.errors import UserError
from training.runs.folder import RunFolder
from training.sentences import sentence


def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        "python -m training.score",
        "Score every response of a project, or of a file, with a run's model.",
    )
    add_shared_arguments(parser)
    parser.add_argument(
        "--responses",
        metavar="FILE",
        help="file of prompts with responses, instead of a database",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="file for the scores of --responses, - for standard output"
        " (default: scores-of-NAME.jsonl in the run's folder)",
    )
    return run(parser, argv, work_in("training.programs.score"), check)


def check(arguments: argparse.Namespace) -> None:
    """Raise UserError for a folder without a run, and for options that do not go together."""
    folder = RunFolder(arguments.run_folder)
    if folder.read_config() is None:
        raise UserError(
            sentence(
                "%(folder)s is not the folder of a run: it has no readable config.json",
                folder=str(folder.path),
            )
        )
    if arguments.responses:
        check_files(arguments, folder)
    elif arguments.output:
        raise UserError("--output is for the scores of --responses, which is missing")
    else:
        database_project(arguments)


def check_files(arguments: argparse.Namespace, folder: RunFolder) -> None:
    """Raise UserError if the file of responses cannot be read, or its scores not be written."""
    if arguments.project or arguments.database_url:
        raise UserError("give --responses, or --project with a database, not both")
    responses = Path(arguments.responses)
    if not responses.is_file():
        raise UserError(f"responses file {responses} does not exist")
    if arguments.output == "-":
        return
    output = Path(arguments.output or folder.scores_of(responses.name))
    if not output.parent.is_dir():
        raise UserError(f"folder {output.parent} of --output does not exist")
    if not output.exists():
        return
    if not output.is_file():
        raise UserError(f"--output {output} is not a file; use - for standard output")
    if output.samefile(responses):
        raise UserError(f"--output {output} is the file of responses; name another file")


if __name__ == "__main__":
    sys.exit(main())
