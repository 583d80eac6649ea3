"""Turn the errors of an import into those of a command."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.db import OperationalError

from labelapp.importing.staging import delete_abandoned
from labelapp.importing.summary import ImportRefusedError
from training.formats.lines import RankingFileError, problem_of


def file_problem(file: str, error: RankingFileError) -> str:
    """Return why a file cannot be read, with its name; `-` is standard input."""
    return problem_of("standard input" if file == "-" else file, str(error))


@contextmanager
def import_errors(file: str) -> Iterator[None]:
    """Raise CommandError if a file cannot be read or stored, or has bad lines.

    The rows that a failed import left are deleted.
    """
    try:
        yield
    except RankingFileError as error:
        raise CommandError(f"{file_problem(file, error)}; nothing was imported") from error
    except OperationalError as error:
        raise CommandError(f"{error}; nothing was imported") from error
    except ImportRefusedError as error:
        raise CommandError(
            f"{error}. Fix them, or import the other lines with --skip-bad-lines."
        ) from error
    finally:
        delete_abandoned()
