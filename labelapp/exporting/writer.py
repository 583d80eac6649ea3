"""An export as a file: there whole or not at all, with a manifest of what is in it beside it."""

import gzip
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from labelapp.exporting.formats import Format, moment, writer
from labelapp.exporting.manifest import people_of, settings_of
from labelapp.exporting.reader import ExportedPrompt, read
from labelapp.exporting.selection import chosen
from labelapp.models import Project
from training.config import TrainConfig
from training.formats.lines import RankingFileError
from training.formats.parquet import write_table
from training.rankings import Verdicts
from training.splits import split_position

MANIFEST = ".manifest.json"
WITH_ALL = "earlier versions go with all verdicts: ask for one of the two"


class ExportRefusedError(Exception):
    """Nothing was written; the message says why."""


@dataclass
class Contents:
    """What an export has written so far."""

    prompts: int = 0
    rankings: int = 0
    comparisons: int = 0
    responses: int = 0
    labellers: set[str] = field(default_factory=set)
    to_learn_from: int = 0  # prompts with a comparison that is current
    below: int = 0  # of those, the ones that lie below the default fraction of the split

    def counted(self, prompts: Iterable[ExportedPrompt]) -> Iterator[ExportedPrompt]:
        """The prompts, each counted on its way."""
        for prompt in prompts:
            self.count(prompt)
            yield prompt

    def count(self, prompt: ExportedPrompt) -> None:
        compared = sum(ranking.comparison_count for ranking in prompt.rankings)
        self.prompts += 1
        self.rankings += len(prompt.rankings)
        self.comparisons += compared
        self.responses += len(prompt.responses)
        self.labellers |= {ranking.labeller for ranking in prompt.rankings}
        if any(ranking.current and ranking.has_comparison for ranking in prompt.rankings):
            self.to_learn_from += 1
            self.below += split_position(prompt.content_hash) < TrainConfig.held_out_fraction

    @property
    def held_out(self) -> int:
        """Prompts that training holds out by default: from two on, neither side is empty."""
        if self.to_learn_from < 2:
            return self.below
        return min(max(self.below, 1), self.to_learn_from - 1)

    def counts(self) -> dict[str, int]:
        return {
            "prompts": self.prompts,
            "rankings": self.rankings,
            "comparisons": self.comparisons,
            "responses": self.responses,
            "labellers": len(self.labellers),
        }


Progress = Callable[[Iterable[ExportedPrompt]], Iterable[ExportedPrompt]]


def export_lines(
    project: Project,
    format: Format,  # noqa: A002 - the option's name
    *,
    all_versions: bool = False,
    verdicts: Verdicts = "all",
    contents: Contents | None = None,
    progress: Progress = iter,
) -> Iterator[str]:
    """The lines of an export, as they are asked for; `contents` counts what is in them.

    Ranking JSONL with `all_versions` is an archive of the project.
    Raises ExportRefusedError for earlier versions with a choice of verdicts.
    """
    if all_versions and verdicts != "all":
        raise ExportRefusedError(WITH_ALL)
    writes = writer(format, project)
    archive = all_versions and format == "jsonl"
    every = progress(read(project, all_versions=all_versions, archive=archive))
    prompts = writes.kept(chosen(every, verdicts))
    return writes.lines((contents or Contents()).counted(prompts))


def export_file(
    project: Project,
    path: Path,
    format: Format,  # noqa: A002 - the option's name
    *,
    all_versions: bool = False,
    verdicts: Verdicts = "all",
    force: bool = False,
    progress: Progress = iter,
) -> Contents:
    """Write an export and its manifest; gzip where the name ends in .gz.

    The same rankings give the same bytes. `force` replaces what is there.
    Raises ExportRefusedError where the file is there already or cannot be written.
    """
    if format == "parquet" and path.suffix.lower() == ".gz":
        raise ExportRefusedError("Parquet is compressed as it is: leave .gz out of the name")
    manifest_path = path.with_name(path.name + MANIFEST)
    refuse_what_is_there(path, manifest_path, force)
    contents = Contents()
    lines = export_lines(
        *(project, format),
        all_versions=all_versions,
        verdicts=verdicts,
        contents=contents,
        progress=progress,
    )
    try:
        with appearing(manifest_path) as manifest_part, appearing(path) as part:
            if format == "parquet":
                write_parquet(part, lines)
            else:
                write_lines(part, lines, zipped=path.suffix.lower() == ".gz")
            manifest = {
                "file": path.name,
                "format": format,
                "versions": "all" if all_versions else "current",
                "verdicts": verdicts,
                "made_at": moment(datetime.now(UTC)),
                **measured(part),
                "counts": contents.counts(),
                "split": {
                    "held_out_fraction": TrainConfig.held_out_fraction,
                    "split": TrainConfig.split,
                    "prompts": contents.to_learn_from,
                    "held_out_prompts": contents.held_out,
                },
                "project": settings_of(project),
            }
            if all_versions:
                manifest["members"] = people_of(project)
            text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
            write_lines(manifest_part, [text], zipped=False)
            manifest_path.unlink(missing_ok=True)  # never one that describes another file
    except OSError as error:
        raise ExportRefusedError(f"{path} cannot be written: {error.strerror}") from error
    except RankingFileError as error:
        raise ExportRefusedError(f"{path} cannot be written: {error}") from error
    return contents


def refuse_what_is_there(path: Path, manifest_path: Path, force: bool) -> None:
    for there in (path, manifest_path):
        if there.exists() and not there.is_file():
            raise ExportRefusedError(f"{there} is there and is not a file")
        if there.exists() and not force:
            raise ExportRefusedError(f"{there} is there already; --force replaces it")


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place at the end; on an error it goes."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_lines(path: Path, lines: Iterable[str], *, zipped: bool) -> None:
    with ExitStack() as stack:
        file = stack.enter_context(path.open("xb"))
        out: BinaryIO | gzip.GzipFile = file
        if zipped:
            # Neither the time nor the name: the same lines are to give the same bytes.
            out = gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0)
            stack.enter_context(out)
        for line in lines:
            out.write(line.encode())
        if zipped:
            out.close()
        file.flush()
        os.fsync(file.fileno())


def write_parquet(path: Path, lines: Iterable[str]) -> None:
    with path.open("xb") as file:
        write_table(lines, file)
        os.fsync(file.fileno())


def measured(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file as it lies on the disk."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}
