"""The shared parts of the commands: options, one-line errors, exit codes. No slow imports.

Exit codes: 0 done; 1 an unexpected error; 2 an error that the user can fix; 130 and 143 stopped by
SIGINT and SIGTERM.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from training.child_process import end_with_parent
from training.errors import StoppedError, UserError
from training.runs.folder import Progress, RunFolder
from training.runs.signals import stoppable
from training.sentences import Sentence, first_line, quoted, sentence

STOP_SECONDS = 10  # for the last checkpoint, where the parent has ended

Work = Callable[[argparse.Namespace, Any], None]
"""Do the work of a command, given the run's folder, or None for programs without a run."""
Check = Callable[[argparse.Namespace], object]
"""Raise UserError or ValueError for options that do not go together."""


class Parser(argparse.ArgumentParser):
    """Raise the errors of a command line as UserError, in one line."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UserError(message)


def add_shared_arguments(parser: argparse.ArgumentParser, *, run_folder: bool = True) -> None:
    group = parser.add_argument_group("input and output")
    if run_folder:
        group.add_argument("--run-folder", required=True, help="folder of the run")
    group.add_argument("--project", metavar="SLUG", help="project in the database")
    group.add_argument(
        "--database-url",
        metavar="URL",
        help="sqlite:////path or postgresql://user:password@host/name (default: $DATABASE_URL)",
    )
    group.add_argument(
        "--progress-bar",
        choices=("auto", "yes", "no"),
        default="auto",
        help="progress bar; auto: a bar on a terminal, else a line now and then (default: auto)",
    )
    group.add_argument(
        "--log-times", action="store_true", help="begin each line of output with its time (UTC)"
    )
    group.add_argument("--traceback", action="store_true", help="show where an error came from")


def database_project(arguments: argparse.Namespace) -> tuple[str, str]:
    """Return the URL of the database and the project's slug. Raises UserError."""
    database_url = arguments.database_url or os.environ.get("DATABASE_URL")
    if not arguments.project:
        raise UserError("--project is missing: the slug of a project in the database")
    if not database_url:
        raise UserError("no database: give --database-url, or set DATABASE_URL")
    return database_url, arguments.project


def wants_bar(arguments: argparse.Namespace) -> bool:
    """Return True if a progress bar is to be shown."""
    if arguments.progress_bar == "auto":
        return sys.stderr.isatty()
    return bool(arguments.progress_bar == "yes")


def work_in(module: str) -> Work:
    """Return a function that imports a module and calls its `work`.

    By name and not at the top of a file, because torch takes seconds to import, a busy machine's
    minute: `--help`, mistyped options and Ctrl-C do not wait for it. What is imported stays, so the
    garbage collector does not look through it, which would take a fifth of that time.
    """

    def work(arguments: argparse.Namespace, folder: Any) -> None:
        gc.disable()
        program = importlib.import_module(module)
        gc.freeze()
        gc.enable()
        program.work(arguments, folder)

    return work


def run(
    parser: Parser,
    argv: Sequence[str] | None,
    work: Work,
    check: Check = lambda arguments: None,
) -> int:
    """Run a command, and turn every way of ending into an exit code, a line and progress.json."""
    end_with_parent(STOP_SECONDS)
    given = list(sys.argv[1:] if argv is None else argv)
    folder: RunFolder | None = None

    def last_word(error: BaseException) -> int:
        if "--traceback" in given:
            traceback.print_exception(error)
        code, reason = _explain(error)
        _leave_word(folder, reason)
        line = reason if code > 2 else f"error: {reason}"
        try:
            print(line, file=sys.stderr, flush=True)
        except RuntimeError:  # a signal came while standard error was being written to
            os.write(2, f"{line}\n".encode())
        return code

    with stoppable(last_word):
        try:
            arguments = parser.parse_args(given)
            if "run_folder" in arguments:
                folder = RunFolder(arguments.run_folder)
            try:
                check(arguments)
            except ValueError as error:
                raise UserError(str(error)) from error
            work(arguments, folder)
        except Exception as error:  # noqa: BLE001 - the end of the program: all end here
            return last_word(error)
        finally:
            if folder is not None:
                folder.leave()
    return 0


def end(code: int) -> NoReturn:
    """End the process with this exit code.

    A process that a launcher started skips the interpreter's own shutdown: threads of torch's
    process group may still run then, and would abort the process, which the launcher would take for
    a failure.
    """
    if "RANK" not in os.environ:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _explain(error: BaseException) -> tuple[int, Sentence]:
    """Return the exit code and the line that explains an error."""
    if isinstance(error, StoppedError):
        return error.exit_code, sentence("stopped by %(signal)s", signal=error.signal_name)
    line = first_line(error)
    if isinstance(error, UserError):
        return 2, line
    kind = type(error).__name__  # torch's and safetensors' are known by name: see work_in
    no_memory = isinstance(error, RuntimeError) and "not enough memory" in str(error)
    if no_memory or kind == "OutOfMemoryError" or isinstance(error, MemoryError):
        return 2, sentence("out of memory: lower --tokens-per-batch, or choose a smaller model")
    if kind == "SafetensorError" and "os error" in line:  # on a full disk, for one
        return 2, sentence("weights cannot be written: %(problem)s", problem=line)
    if isinstance(error, OSError):
        said = quoted(error.strerror or line)
        file = error.filename and str(error.filename)
        return 2, sentence("%(problem)s: %(file)s", problem=said, file=file) if file else said
    return 1, sentence(
        "unexpected %(kind)s: %(problem)s (--traceback shows where)", kind=kind, problem=line
    )


def _leave_word(folder: RunFolder | None, reason: str) -> None:
    """Record the failure in progress.json, if that is possible."""
    if folder is None or not (folder.in_use or folder.is_vacant):
        return  # the folder is an earlier run's, or somebody else's
    last = folder.read_progress() or Progress("failed")
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.write_progress(replace(last, state="failed", reason=reason))
    except OSError as error:
        print(f"progress.json cannot be written: {error}", file=sys.stderr)
