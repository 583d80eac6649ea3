"""Write exports in the background, to be downloaded once they are complete."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from django.db import transaction

from labelapp.exporting.formats import Format
from labelapp.exporting.reader import ExportedPrompt
from labelapp.exporting.writer import MANIFEST, ExportRefusedError, export_file
from labelapp.jobs import files, jobs
from labelapp.jobs.files import Advance
from labelapp.jobs.jobs import Enqueue, FailedError
from labelapp.models import ACTIVE, Export, Project, State, User
from training.config import OLD_NAMES

KEPT = 5  # finished exports per project; a new one replaces the oldest
SUFFIXES = {"csv": "csv", "parquet": "parquet"}  # the other formats are JSON lines


def file_name(project: Project, file_format: str, *, zipped: bool = False) -> str:
    """Return the name of an export in `file_format`."""
    suffix = SUFFIXES.get(file_format, "jsonl")
    plain = file_format in (suffix, "jsonl")
    name = f"{project.slug}.{suffix}" if plain else f"{project.slug}.{file_format}.{suffix}"
    return f"{name}.gz" if zipped and file_format != "parquet" else name


def start(
    *,
    project: Project,
    user: User,
    file_format: str,
    options: dict[str, Any],
    zipped: bool,
    enqueue: Enqueue,
) -> Export:
    """Queue an export, unless the same one is already in progress.

    `options` are those of writer.export_file.
    """
    name = file_name(project, file_format, zipped=zipped)
    values = {"name": name, "format": file_format, "options": options}
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)  # one request at a time
        same = Export.objects.active().filter(project=project, **values).first()
        if same is not None:
            return same
        export = Export(project=project, created_by=user, **values)
        jobs.start(export, enqueue)
        files.make_folder(export)
    return export


def execute(export: Export) -> None:
    """Write the file. On return the export is done, failed or stopped; no file is incomplete."""
    files.execute(export, lambda advance: write(export, advance))
    if export.state == State.DONE:
        remove_older(export.project)


def write(export: Export, advance: Advance) -> dict[str, Any]:
    def follow(prompts: Iterable[ExportedPrompt]) -> Iterator[ExportedPrompt]:
        for number, prompt in enumerate(prompts, start=1):
            yield prompt
            advance(number)

    export.total = export.project.prompts.count()
    path = file_path(export)
    try:
        export_file(
            export.project,
            path,
            cast("Format", export.format),
            **{OLD_NAMES.get(name, name): value for name, value in export.options.items()},
            force=True,
            progress=follow,
        )
    except ExportRefusedError as error:
        reason = str(error).replace(str(path), "The file")
        raise FailedError(f"{reason}.") from error
    manifest = json.loads(manifest_path(export).read_text(encoding="utf-8"))
    return {"outcome": {name: manifest[name] for name in ("counts", "bytes", "sha256")}}


def file_path(export: Export) -> Path:
    return files.folder_of(export).path / export.name


def manifest_path(export: Export) -> Path:
    path = file_path(export)
    return path.with_name(path.name + MANIFEST)


def remove_older(project: Project) -> None:
    """Remove all but the newest exports, and the failed ones before the newest."""
    done = project.exports.filter(state=State.DONE)
    for export in done[KEPT:]:
        remove(export)
    for export in project.exports.filter(
        state__in=(State.FAILED, State.STOPPED), pk__lt=done[0].pk
    ):
        remove(export)


def remove(export: Export) -> bool:
    """Delete an export and its file. Return False if it is being written."""
    ended = Export.objects.filter(pk=export.pk).exclude(state__in=ACTIVE)
    deleted, _ = ended.delete()
    if deleted:
        files.remove_folder(export)
    return bool(deleted)


def listed(project: Project) -> list[Export]:
    """Return a project's exports with their progress, the newest first."""
    files.mark_lost(project.exports.all())
    exports = list(project.exports.select_related("created_by"))
    for export in exports:
        files.read_progress(export)
        if export.state == State.FAILED and export.reason == jobs.LOST:
            files.remove_folder(export)  # with an incomplete file
    return exports
