"""Exports that are written in the background, to be fetched when they are whole."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.db import transaction

from labelapp.exporting.reader import ExportedPrompt
from labelapp.exporting.writer import MANIFEST, ExportRefusedError, export_file
from labelapp.jobs import files, jobs
from labelapp.jobs.files import Advance
from labelapp.jobs.jobs import Enqueue, FailedError
from labelapp.models import ACTIVE, Export, Project, State, User
from training.config import OLD_NAMES

KEPT = 5  # finished exports of a project; when another one is done, the oldest goes
ENDINGS = {"csv": "csv", "parquet": "parquet"}  # of files; the others are JSON lines


def file_name(project: Project, format: str, *, zipped: bool = False) -> str:  # noqa: A002
    """What a file of that format is called."""
    ending = ENDINGS.get(format, "jsonl")
    plain = format in (ending, "jsonl")
    name = f"{project.slug}.{ending}" if plain else f"{project.slug}.{format}.{ending}"
    return f"{name}.gz" if zipped and format != "parquet" else name


def start(
    *,
    project: Project,
    user: User,
    format: str,  # noqa: A002 - the option's name
    options: dict[str, Any],
    zipped: bool,
    enqueue: Enqueue,
) -> Export:
    """Queue an export; the same one that is under way already is not made twice.

    `options` are those of exportfiles.export_file.
    """
    name = file_name(project, format, zipped=zipped)
    asked = {"name": name, "format": format, "options": options}
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)  # of two clicks, one
        same = Export.objects.active().filter(project=project, **asked).first()
        if same is not None:
            return same
        export = Export(project=project, created_by=user, **asked)
        jobs.start(export, enqueue)
        files.make_folder(export)
    return export


def execute(export: Export) -> None:
    """Write the file; on return the export is done, failed or stopped, and nothing is half."""
    files.execute(export, lambda advance: write(export, advance))
    if export.state == State.DONE:
        remove_older(export.project)


def write(export: Export, advance: Advance) -> dict[str, Any]:
    def followed(prompts: Iterable[ExportedPrompt]) -> Iterator[ExportedPrompt]:
        for number, prompt in enumerate(prompts, start=1):
            yield prompt
            advance(number)

    export.total = export.project.prompts.count()
    path = file_path(export)
    try:
        export_file(
            export.project,
            path,
            export.format,  # type: ignore[arg-type]
            **{OLD_NAMES.get(name, name): value for name, value in export.options.items()},
            force=True,
            progress=followed,
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
    """Keep the newest exports, and forget the failures before them."""
    done = project.exports.filter(state=State.DONE)
    for export in done[KEPT:]:
        remove(export)
    for export in project.exports.filter(
        state__in=(State.FAILED, State.STOPPED), pk__lt=done[0].pk
    ):
        remove(export)


def remove(export: Export) -> bool:
    """Forget an export and its file. False where it is being written."""
    folder = files.folder_of(export)
    over = Export.objects.filter(pk=export.pk)
    gone, _ = over.exclude(state__in=ACTIVE).delete()
    if gone:
        folder.remove()
    return bool(gone)


def listed(project: Project) -> list[Export]:
    """Return a project's exports with their progress, the newest first."""
    for lost in files.mark_lost(project.exports.all()):
        files.folder_of(lost).remove()  # what was half written
    exports = list(project.exports.select_related("created_by"))
    for export in exports:
        files.read_progress(export)
    return exports
