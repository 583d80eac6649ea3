"""Write an export and its manifest to files that appear only once they are complete."""

import gzip
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from labelapp.exporting.formats import Format, format_moment, line_writer
from labelapp.exporting.manifest import describe_members, describe_project
from labelapp.exporting.reader import ExportedPrompt, read
from labelapp.exporting.selection import select
from labelapp.models import Exclusion, Project
from training.config import TrainConfig
from training.formats.lines import RankingFileError
from training.formats.tables import write_table
from training.rankings import Aggregation
from training.runs.digest import file_sha256
from training.splits import split_position

MANIFEST = ".manifest.json"
NO_SELECTION = "earlier versions need all rankings: omit --all-versions or --aggregation"


class ExportRefusedError(Exception):
    """Nothing was written; the message says why."""


@dataclass
class Contents:
    """Counts of what an export has written so far."""

    prompts: int = 0
    rankings: int = 0
    comparisons: int = 0
    responses: int = 0
    labellers: set[str] = field(default_factory=set)
    trainable: int = 0  # prompts with a current comparison
    below_split: int = 0  # trainable prompts below the default fraction of the split

    def counted(self, prompts: Iterable[ExportedPrompt]) -> Iterator[ExportedPrompt]:
        """Yield the prompts and count them."""
        for prompt in prompts:
            self.count(prompt)
            yield prompt

    def count(self, prompt: ExportedPrompt) -> None:
        self.prompts += 1
        self.rankings += len(prompt.rankings)
        self.comparisons += sum(ranking.comparison_count for ranking in prompt.rankings)
        self.responses += len(prompt.responses)
        self.labellers |= {ranking.labeller for ranking in prompt.rankings}
        if any(ranking.current and ranking.has_comparison for ranking in prompt.rankings):
            self.trainable += 1
            self.below_split += split_position(prompt.content_hash) < TrainConfig.held_out_fraction

    @property
    def held_out(self) -> int:
        """The number of prompts that training holds out by default.

        With two prompts or more, training leaves neither side empty.
        """
        if self.trainable < 2:
            return self.below_split
        return min(max(self.below_split, 1), self.trainable - 1)

    def counts(self) -> dict[str, int]:
        return {
            "prompts": self.prompts,
            "rankings": self.rankings,
            "comparisons": self.comparisons,
            "responses": self.responses,
            "labellers": len(self.labellers),
        }

    def split(self) -> dict[str, float]:
        """Return how training splits these contents by default."""
        return {
            "held_out_fraction": TrainConfig.held_out_fraction,
            "split": TrainConfig.split,
            "prompts": self.trainable,
            "held_out_prompts": self.held_out,
        }


# Wraps the prompts as they are read, to follow their number.
Progress = Callable[[Iterable[ExportedPrompt]], Iterable[ExportedPrompt]]


def export_lines(
    project: Project,
    file_format: Format,
    *,
    all_versions: bool = False,
    aggregation: Aggregation = "all",
    include_left_out: bool = False,
    contents: Contents | None = None,
    progress: Progress = iter,
) -> Iterator[str]:
    """Return an iterator over the lines of an export, which counts its `contents`.

    Ranking JSONL with `all_versions` is an archive of the project. `include_left_out` adds the
    rankings that are left out with their labeller.
    Raises ExportRefusedError if `all_versions` is combined with an `aggregation`.
    """
    if all_versions and aggregation != "all":
        raise ExportRefusedError(NO_SELECTION)
    writer = line_writer(file_format, project)
    archive = all_versions and file_format == "jsonl"
    every = progress(
        read(
            project,
            all_versions=all_versions,
            archive=archive,
            include_left_out=include_left_out,
        )
    )
    prompts = writer.filter_prompts(select(every, aggregation))
    return writer.lines((contents or Contents()).counted(prompts))


def export_file(
    project: Project,
    path: Path,
    file_format: Format,
    *,
    all_versions: bool = False,
    aggregation: Aggregation = "all",
    include_left_out: bool = False,
    force: bool = False,
    progress: Progress = iter,
) -> Contents:
    """Write an export and its manifest, compressed with gzip if the name ends in .gz.

    The same rankings give the same bytes. `force` replaces an existing file.
    Raises ExportRefusedError if the file exists or cannot be written.
    """
    zipped = path.suffix.lower() == ".gz"
    if file_format == "parquet" and zipped:
        raise ExportRefusedError("Parquet is already compressed: leave .gz out of the name")
    manifest_path = path.with_name(path.name + MANIFEST)
    refuse_existing(path, manifest_path, force)
    contents = Contents()
    lines = export_lines(
        project,
        file_format,
        all_versions=all_versions,
        aggregation=aggregation,
        include_left_out=include_left_out,
        contents=contents,
        progress=progress,
    )
    with (
        refusing_write_errors(path),
        replacing(manifest_path) as manifest_part,
        replacing(path) as part,
    ):
        if file_format == "parquet":
            write_parquet(part, lines)
        else:
            write_lines(part, lines, zipped=zipped)
        manifest = {
            "file": path.name,
            "format": file_format,
            **describe_choice(all_versions, aggregation),
            "left_out": describe_left_out(project, include_left_out),
            "made_at": format_moment(datetime.now(UTC)),
            **size_and_hash(part),
            "counts": contents.counts(),
            "split": contents.split(),
            "project": describe_project(project),
        }
        if all_versions:
            manifest["members"] = describe_members(project)
        text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
        write_lines(manifest_part, [text], zipped=False)
        # An old manifest must not stay beside the new file if this process is killed.
        manifest_path.unlink(missing_ok=True)
    return contents


def describe_choice(all_versions: bool, aggregation: Aggregation) -> dict[str, str]:
    """Return what an export was asked to contain, for the manifest."""
    return {
        "versions": "all" if all_versions else "current",
        "aggregation": aggregation,
        "verdicts": aggregation,  # the earlier name, for programs that read it
    }


def describe_left_out(project: Project, include_left_out: bool) -> list[dict[str, str | None]]:
    """Return the labellers whose rankings are not in the file, from when on (null: all)."""
    if include_left_out:
        return []
    return [
        {"labeller": one.member.name, "since": format_moment(one.since) if one.since else None}
        for one in Exclusion.objects.holding(project)
    ]


@contextmanager
def refusing_write_errors(path: Path) -> Iterator[None]:
    """Raise ExportRefusedError, which names `path`, for an error of the disk or the format."""
    try:
        yield
    except OSError as error:
        raise ExportRefusedError(f"{path} cannot be written: {error.strerror}") from error
    except RankingFileError as error:
        raise ExportRefusedError(f"{path} cannot be written: {error}") from error


def refuse_existing(path: Path, manifest_path: Path, force: bool) -> None:
    for target in (path, manifest_path):
        if target.exists() and not target.is_file():
            raise ExportRefusedError(f"{target} exists and is not a file")
        if target.exists() and not force:
            raise ExportRefusedError(f"{target} already exists; --force replaces it")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces it at the end or is removed on error."""
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
            # Without the time and the name, the same lines give the same bytes.
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


def size_and_hash(path: Path) -> dict[str, Any]:
    """Return the size and the SHA-256 of a file for the manifest."""
    return {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
