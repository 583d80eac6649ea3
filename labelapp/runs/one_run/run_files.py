"""The files of a run's folder to download, one by one or as one archive."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy

from labelapp.models import TrainingRun
from labelapp.runs.process import run_folder
from training.runs import folder as names

FILES = {
    names.REPORT: gettext_lazy("All figures as text"),
    names.METRICS: gettext_lazy("All figures as JSON"),
    names.SCORES: gettext_lazy("The reward of every response"),
    names.ERRORS: gettext_lazy(
        "The held-out comparisons with the largest errors, with their texts"
    ),
    names.JUDGEMENTS: gettext_lazy(
        "How many comparisons of each held-out prompt the model orders correctly"
    ),
    names.HELD_OUT: gettext_lazy("The held-out prompts"),
    names.METRIC_LINES: gettext_lazy("The values of each logged step"),
    names.EVALUATIONS: gettext_lazy("The held-out figures of each evaluation during training"),
    names.MANIFEST: gettext_lazy("The training data: numbers and hashes"),
    names.CONFIG: gettext_lazy("Every setting, with defaults filled in"),
    names.LOG: gettext_lazy("The output of the training process"),
}
"""The files that can be downloaded one by one, with what they hold."""
MODEL_ARCHIVE = "model.zip"
RUN_ARCHIVE = "run.zip"
LOADING = """\
from transformers import AutoModelForSequenceClassification, AutoTokenizer

model = AutoModelForSequenceClassification.from_pretrained("{folder}"{trust})
tokenizer = AutoTokenizer.from_pretrained("{folder}"{trust})
"""
"""The lines that load a model folder; its README.md goes on from there."""
CHUNK = 1 << 20  # bytes of a file that are read at once


@dataclass(frozen=True)
class RunFile:
    """A file to download."""

    name: str
    contents: str | Promise
    size: int  # of an archive, that of its files


def files_of(run: TrainingRun) -> list[RunFile]:
    """Return the files that the folder of a run has, archives first."""
    if not run.folder:
        return []
    folder = run_folder(run)
    found = [
        RunFile(name, contents, bytes_of(folder.path / name))
        for name, contents in FILES.items()
        if is_plain(folder.path / name)
    ]
    archives = (
        (
            MODEL_ARCHIVE,
            gettext_lazy("The model folder, which loads with transformers"),
            folder.model,
        ),
        (RUN_ARCHIVE, gettext_lazy("The whole folder of the run"), folder.path),
    )
    packed = [
        RunFile(name, contents, sum(map(bytes_of, paths)))
        for name, contents, root in archives
        if (paths := members(run, root))
    ]
    return packed + found


def is_plain(path: Path) -> bool:
    """Return True if a path is a file that a run may have written, and not a link elsewhere."""
    return path.is_file() and not path.is_symlink()


def members(run: TrainingRun, root: Path) -> list[Path]:
    """Return the files below `root` for an archive, without checkpoints and those in the making."""
    folder = run_folder(run)
    left_out = (folder.checkpoints, folder.path / names.LOCK)
    return [
        path
        for path in sorted(files_below(root))
        if is_plain(path)
        and not any(part.endswith(".part") for part in path.relative_to(folder.path).parts)
        and not any(path.is_relative_to(other) for other in left_out)
    ]


def file_path(run: TrainingRun, name: str) -> Path | None:
    """Return the path of one of FILES, or None for another name and where it is missing."""
    path = run_folder(run).path / name
    return path if run.folder and name in FILES and is_plain(path) else None


def archive_of(run: TrainingRun, name: str) -> Iterator[bytes] | None:
    """Return the bytes of an archive, or None for another name and where there is nothing in it."""
    folder = run_folder(run)
    roots = {MODEL_ARCHIVE: folder.model, RUN_ARCHIVE: folder.path}
    if not run.folder or name not in roots or not (paths := members(run, roots[name])):
        return None
    return zip_stream(roots[name], paths, prefix=folder_in_archive(run, name))


def loading_code(folder: str, *, own_code: bool) -> str:
    """Return the Python code that loads a model from the folder of its unpacked archive."""
    return LOADING.format(folder=folder, trust=", trust_remote_code=True" if own_code else "")


def has_own_code(run: TrainingRun) -> bool:
    """Return True if the model is of a class of Podium's, which vLLM and SGLang cannot load."""
    return run.config.get("backbone") != "pretrained" or bool(run.manifest.get("own_code"))


def folder_in_archive(run: TrainingRun, name: str) -> str:
    """Return the name of the folder that an archive unpacks to."""
    return f"run-{run.pk}-{name.removesuffix('.zip')}"


def size_of(run: TrainingRun) -> int:
    """Return the size of a run's folder in bytes."""
    if not run.folder:
        return 0
    return sum(map(bytes_of, files_below(run_folder(run).path)))


def files_below(root: Path) -> Iterator[Path]:
    """Yield the files of a folder and those below it, also while a run adds and removes some."""
    for folder, _folders, found in os.walk(root):  # which passes over folders that are gone
        yield from (Path(folder, name) for name in found)


def bytes_of(path: Path) -> int:
    """Return the size of a file, or 0 for one that is gone."""
    try:
        return path.lstat().st_size
    except OSError:
        return 0


class Buffer:
    """Collect what an archive writes, until it is taken away."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: the bytes are taken away by `take`."""

    def close(self) -> None:
        """Do nothing."""

    def take(self) -> bytes:
        chunks, self.chunks = self.chunks, []
        return b"".join(chunks)


def zip_stream(root: Path, paths: Sequence[Path], prefix: str) -> Iterator[bytes]:
    """Yield a ZIP archive of these files below `root`, uncompressed, a chunk at a time."""
    buffer = Buffer()
    with ZipFile(buffer, "w") as archive:
        for path in paths:
            entry = ZipInfo.from_file(path, f"{prefix}/{path.relative_to(root)}")
            with archive.open(entry, "w", force_zip64=True) as target, path.open("rb") as source:
                while chunk := source.read(CHUNK):
                    target.write(chunk)
                    yield buffer.take()
    yield buffer.take()


def board_query(run: TrainingRun) -> str:
    """Return the query that makes TensorBoard show this run alone, or "" without a folder."""
    if not run.folder:
        return ""
    return urlencode({"runFilter": f"^{re.escape(run_folder(run).path.name)}/"})
