"""Import ranking files into the database, each file as a whole or not at all.

A file is read as a stream, line by line, staged in batches, and published at the end (staging.py).
Each bad line is reported with its number and reason; unless bad lines are skipped, nothing is
published if there is one. Stored rows are left unchanged, so importing a file twice adds nothing.
"""

from collections.abc import Callable, Iterable

from labelapp.db.retry import with_retries
from labelapp.importing.batches import Importer, batches
from labelapp.importing.staging import batch_transaction, published, staged
from labelapp.importing.summary import ImportRefusedError, Summary
from labelapp.models import Project, Upload
from training.formats.ranking_file import BadLine, Line

UNKNOWN_LABELLER = "unknown"


def import_lines(
    project: Project,
    lines: Iterable[Line | BadLine],
    *,
    report: Callable[[BadLine], None],
    rankings: bool = True,
    labeller: str = UNKNOWN_LABELLER,
    skip_bad_lines: bool = False,
    finishing: Callable[[Summary], object] | None = None,
    upload: Upload | None = None,
) -> Summary:
    """Import a stream of lines into a project.

    With `rankings`, a line with a ranking adds the ranking, and a line without one adds a prompt
    to be labelled. Without `rankings`, every line adds a prompt to be labelled, and its ranking is
    ignored. `labeller` is the author of rankings that name nobody.
    Calls `report` for each bad line, and `finishing` at the end of the transaction that publishes:
    its writes are committed with the rows, and an exception in it rolls them back.
    The rankings are stored as those of `upload`, if the lines come from one.
    Raises ImportRefusedError if there are bad lines and `skip_bad_lines` is not set, and
    OperationalError if others have changed the project so that the rows no longer fit.
    """
    with staged(project) as staging:
        importer = Importer(project, staging, report, rankings, labeller, upload)
        for batch in batches(lines):
            entries = importer.good(batch)
            with batch_transaction():
                importer.write(entries)
        if importer.summary.bad_lines and not skip_bad_lines:
            raise ImportRefusedError(importer.summary)
        with published(project, staging):
            importer.people.count_ranked(new=True)
            if finishing is not None:
                finishing(importer.summary)
    # The import is committed: if the database is busy, these wait and do not repeat the import.
    with_retries(importer.count_others)
    with_retries(importer.reset_labellers)
    return importer.summary


def import_prompts_to_fill(
    project: Project,
    lines: Iterable[Line | BadLine],
    *,
    report: Callable[[BadLine], None],
    skip_bad_lines: bool = False,
) -> Summary:
    """Import prompts that lack some or all of their responses, without queuing them.

    Reports, refuses and skips bad lines like import_lines.
    """
    with staged(project) as staging:
        importer = Importer(project, staging, report, rankings=False, labeller=UNKNOWN_LABELLER)
        for batch in batches(lines):
            entries = importer.good(batch, fewest=0)
            with batch_transaction():
                entries = importer.add(entries)
            importer.summary.already_there += sum(not entry.added for entry in entries)
        if importer.summary.bad_lines and not skip_bad_lines:
            raise ImportRefusedError(importer.summary)
        with published(project, staging):
            pass
    return importer.summary
