"""The files of a run, read and written.

The web imports this file. A file that is missing, half written or of another shape reads as None
(or as no lines), so that looking at a run never fails.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from training.config import TrainConfig
from training.rankings import Identifier
from training.runs.folder_lock import FolderLock
from training.runs.json_files import (
    append_line,
    iter_lines,
    read_json,
    read_lines,
    read_object,
    write_json,
    write_lines,
    write_text,
)
from training.sentences import Sentence, from_json, sentence, to_json

State = Literal[
    "loading",
    "tokenizing",
    "counting",
    "choosing",
    "training",
    "evaluating",
    "saving",
    "scoring",
    "done",
    "failed",
]

CONFIG = "config.json"
MANIFEST = "manifest.json"
HELD_OUT = "held_out.json"
PROGRESS = "progress.json"
METRIC_LINES = "metrics.jsonl"
EVALUATIONS = "evaluations.jsonl"
METRICS = "metrics.json"
JUDGEMENTS = "judgements.jsonl"
ERRORS = "errors.jsonl"
REPORT = "report.md"
SCORES = "scores.jsonl"
SCORES_OF = "scores-of-"
"""Beginning of the names of files with the scores of other files."""
TENSORBOARD = "tensorboard"
MODEL = "model"
CHECKPOINTS = "checkpoints"
FILES = (
    MANIFEST,
    HELD_OUT,
    PROGRESS,
    METRIC_LINES,
    EVALUATIONS,
    METRICS,
    JUDGEMENTS,
    ERRORS,
    REPORT,
    SCORES,
    CONFIG,
)
LOCK = "lock"
LOG = "log.txt"
"""Output of the processes, where the web application started them."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Hold the progress of a run. Values that are not known yet are None."""

    state: State
    step: int = 0
    steps: int = 0
    """Steps of the run while it trains and when it is done; otherwise those of its state."""
    seconds: float | None = None
    """Age of a run that trains, at `step`: of all its processes, without the time between them."""
    loss: float | None = None
    accuracy: float | None = None
    tokens_per_second: float | None = None
    reason: str | None = None
    """Reason of a failure, in words: a sentence, which `reason_sentence` has in the file."""
    updated: str | None = None
    """Time of writing: ISO 8601, UTC."""


class ScoredResponse(NamedTuple):
    """Hold the reward of a response."""

    response: Identifier
    reward: float
    same_as: Identifier | None = None
    """First response of the prompt that has the same tokens after the cut, if it is another one."""


class RunFolder:
    """Read and write the folder of one run. Methods named read_* never raise for its contents."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = FolderLock(self.path / LOCK)

    @property
    def in_use(self) -> bool:
        """Return True once this process has begun to write a run here."""
        return self._lock.is_held

    @property
    def tensorboard(self) -> Path:
        return self.path / TENSORBOARD

    @property
    def token_cache(self) -> Path:
        """Return the folder in which the runs beside this one keep their tokens."""
        return self.path.parent / "cache"

    @property
    def model(self) -> Path:
        return self.path / MODEL

    @property
    def scores(self) -> Path:
        return self.path / SCORES

    def scores_of(self, file: str) -> Path:
        """Return the path of the scores of a file's responses."""
        name = Path(file).name
        for ending in (".gz", ".zip"):
            name = name.removesuffix(ending)
        return self.path / f"{SCORES_OF}{Path(name).stem}.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / CHECKPOINTS

    @property
    def is_unfinished(self) -> bool:
        """Return True if a stopped run can be resumed here: finished ones have no checkpoints."""
        names = (path.name.removeprefix("step-") for path in self.checkpoints.glob("step-*"))
        return any(name.isdecimal() for name in names)

    @property
    def is_trained(self) -> bool:
        """Return True if a run has finished here."""
        return self.read_metrics() is not None and not self.checkpoints.exists()

    # Reading

    def read_config(self) -> TrainConfig | None:
        try:
            return TrainConfig.from_json(read_object(self.path / CONFIG) or {"absent": True})
        except ValueError:
            return None

    def read_manifest(self) -> dict[str, Any] | None:
        return read_object(self.path / MANIFEST)

    def read_metrics(self) -> dict[str, Any] | None:
        return read_object(self.path / METRICS)

    def read_progress(self) -> Progress | None:
        found = read_object(self.path / PROGRESS)
        if found is None or found.get("state") not in get_args(State):
            return None
        known = {field.name for field in fields(Progress)}
        progress = Progress(**{name: value for name, value in found.items() if name in known})
        said = found.get("reason_sentence")
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            return replace(progress, reason=from_json(said)) if isinstance(said, dict) else progress
        return progress

    def held_out_prompts(self) -> list[Identifier] | None:
        """Return the ids of the prompts that the run was not trained on."""
        found = read_json(self.path / HELD_OUT)
        return found if isinstance(found, list) else None

    def metric_lines(self) -> list[dict[str, Any]]:
        """Return the logged steps, without a line that is still being written."""
        return read_lines(self.path / METRIC_LINES)

    def evaluations(self) -> list[dict[str, Any]]:
        """Return the step and the held-out figures of each evaluation during training."""
        return read_lines(self.path / EVALUATIONS)

    def judgements(self) -> list[dict[str, Any]]:
        """Return the hash of each held-out prompt, with sums over its comparisons.

        Runs of earlier versions have "agreed" and "comparisons" alone.
        """
        return read_lines(self.path / JUDGEMENTS)

    def iter_scores(self) -> Iterator[ScoredResponse]:
        """Yield every scored response."""
        for line in iter_lines(self.path / SCORES):
            if isinstance(line.get("reward"), int | float) and "response" in line:
                yield ScoredResponse(line["response"], float(line["reward"]), line.get("same_as"))

    # Writing

    def start(self) -> None:
        """Make the folder, lock it, and remove what an earlier run left in it.

        Raises OSError, also where the folder holds foreign files or another process writes to it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if self.read_config() is None and (strange := self._strangers()):
            reason = sentence("the folder holds something that is not a training run")
            raise FileExistsError(errno.EEXIST, reason, str(self.path / min(strange)))
        self.take()
        self.forget_checkpoints()
        self._remove_parts()
        for name in (TENSORBOARD, MODEL):
            shutil.rmtree(self.path / name, ignore_errors=True)
        for path in self.path.glob(f"{SCORES_OF}*"):
            path.unlink()
        # Remove the configuration last, because it marks the other files as a run's.
        for name in FILES:
            (self.path / name).unlink(missing_ok=True)

    def reopen(self) -> None:
        """Lock the folder to resume the run that stopped here.

        Raises OSError where another process does that, or has just done it.
        """
        self.take()
        if not self.is_unfinished:
            self.leave()
            reason = sentence("the run is done by now")
            raise FileNotFoundError(errno.ENOENT, reason, str(self.checkpoints))
        self._remove_parts()

    def take(self) -> None:
        """Keep other processes from writing here until this one leaves. Raises OSError."""
        if not self.in_use:
            self._lock.take()

    def worker(self) -> int | None:
        """Return the process that is at work in this folder, or None."""
        return self._lock.holder()

    def leave(self) -> None:
        """Let other processes write here."""
        self._lock.release()

    def forget_lines_after(self, step: int) -> None:
        """Remove the logged steps and evaluations of later steps than this."""
        for name in (METRIC_LINES, EVALUATIONS):
            lines = [line for line in iter_lines(self.path / name) if line["step"] <= step]
            write_text(self.path / name, "".join(json.dumps(line) + "\n" for line in lines))

    def forget_checkpoints(self) -> None:
        """Remove all checkpoints, in one move: a part of them would be no run to resume."""
        part = self.path / (CHECKPOINTS + ".part")
        if self.checkpoints.exists():
            os.replace(self.checkpoints, part)
            shutil.rmtree(part)

    def _remove_parts(self) -> None:
        """Remove what killed processes were writing or removing."""
        parts = [f"{MODEL}.part", f"{CHECKPOINTS}.part", f"{CHECKPOINTS}/*.part"]
        for folder in [path for part in parts for path in self.path.glob(part)]:
            shutil.rmtree(folder, ignore_errors=True)
        for name in FILES:
            for part in self.path.glob(f"{name}*.part"):
                part.unlink()

    @property
    def is_vacant(self) -> bool:
        """Return True if the folder holds nothing that a failure to start must leave alone."""
        return self.read_config() is None and not self._strangers()

    def _strangers(self) -> set[str]:
        """Return the files here that no run leaves which failed before it wrote its settings."""
        found = {path.name for path in self.path.iterdir()} if self.path.is_dir() else set()
        parts = tuple(f"{name}." for name in (*FILES, MODEL, CHECKPOINTS))
        return {
            name
            for name in found - {PROGRESS, LOG, LOCK}
            if not (name.startswith(parts) and name.endswith(".part"))
        }

    def write_config(self, config: TrainConfig) -> None:
        write_json(self.path / CONFIG, config.to_json())

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        write_json(self.path / MANIFEST, manifest)

    def write_held_out(self, prompts: Iterable[Identifier]) -> None:
        write_json(self.path / HELD_OUT, list(prompts))

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        write_json(self.path / METRICS, metrics)

    def write_judgements(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write the hash of each held-out prompt, with sums over its comparisons."""
        write_lines(self.path / JUDGEMENTS, rows)

    def write_errors(self, errors: Iterable[Mapping[str, Any]]) -> None:
        """Write the held-out comparisons that the rewards get most wrong."""
        write_lines(self.path / ERRORS, errors)

    def write_report(self, markdown: str) -> None:
        write_text(self.path / REPORT, markdown)

    def write_progress(self, progress: Progress) -> None:
        """Write progress.json with the time of writing."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        said = progress.reason
        made_of = {"reason_sentence": to_json(said)} if isinstance(said, Sentence) else {}
        write_json(self.path / PROGRESS, asdict(progress) | {"updated": now} | made_of)

    def append_metric_line(self, values: Mapping[str, Any]) -> None:
        """Append the values of a logged step."""
        append_line(self.path / METRIC_LINES, values)

    def append_evaluation(self, values: Mapping[str, Any]) -> None:
        """Append the held-out figures of an evaluation during training."""
        append_line(self.path / EVALUATIONS, values)

    def write_scores(self, scores: Iterable[ScoredResponse]) -> int:
        """Write all scores, put them in place in one move, and return how many there are."""
        lines = (score._asdict() for score in scores)
        return write_lines(
            self.scores, ({k: v for k, v in line.items() if v is not None} for line in lines)
        )

    @contextmanager
    def new_model(self) -> Iterator[Path]:
        """Yield a folder to save into; it becomes `model/` if the block succeeds."""
        part = self.path / (MODEL + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            yield part
            shutil.rmtree(self.model, ignore_errors=True)
            os.replace(part, self.model)
        finally:
            shutil.rmtree(part, ignore_errors=True)
