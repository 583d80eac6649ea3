"""Report a running run: progress.json and the terminal, metrics.jsonl and TensorBoard."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams
from tqdm import tqdm

from training.runs.folder import Progress, RunFolder, State

SECONDS_BETWEEN_WRITES = 0.5
SECONDS_BETWEEN_LINES = 10.0
HISTOGRAM_BINS: Any = 50  # PyTorch's annotation knows names of methods only
WITH_LAST_LINE = ("training", "scoring")
"""States whose last step has a line, too."""


class Reporter:
    """Update progress.json and a progress bar, or lines now and then, on standard error.

    Without a folder there is no progress.json. A silent reporter does nothing: only one of several
    processes reports. With `times`, each line begins with its time (UTC).
    """

    def __init__(
        self,
        folder: RunFolder | None,
        *,
        bar: bool,
        times: bool = False,
        silent: bool = False,
    ) -> None:
        self.folder = folder
        self.times = times
        self.silent = silent
        self.progress = Progress("loading")
        self._show_bar = bar and not silent
        self._bar: tqdm[None] | None = None
        self._written = 0.0
        self._said = time.monotonic()

    def enter(
        self,
        state: State,
        steps: int | None = None,
        step: int = 0,
        *,
        seconds: float | None = None,
    ) -> None:
        """Enter a state, and write it at once. With `steps`, count from `step` to them anew.

        `seconds` is the age of the run at `step`.
        """
        if steps is not None:
            self.close()
            self.progress = Progress(state, step=step, steps=steps, seconds=seconds)
            if self._show_bar and steps:
                self._bar = tqdm(
                    total=steps, initial=step, desc=state, dynamic_ncols=True, leave=False
                )
        self.progress = replace(self.progress, state=state)
        if self._bar is not None:
            self._bar.set_description(state)
        self._write()

    def say(self, text: str) -> None:
        """Write a line to standard error, above the bar if there is one."""
        if not self.silent:
            if self.times:
                now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
                text = "\n".join(f"{now} {line}" for line in text.splitlines())
            tqdm.write(text, file=sys.stderr)
            sys.stderr.flush()

    def step(
        self,
        step: int,
        *,
        seconds: float | None = None,
        loss: float | None = None,
        accuracy: float | None = None,
        tokens_per_second: float | None = None,
    ) -> None:
        """Show that so many steps are done, with their latest values."""
        self.progress = replace(
            self.progress,
            step=step,
            seconds=seconds,
            loss=loss,
            accuracy=accuracy,
            tokens_per_second=tokens_per_second,
        )
        values = {"loss": loss, "accuracy": accuracy, "tokens/s": tokens_per_second}
        known = {name: f"{value:.4g}" for name, value in values.items() if value is not None}
        if self._bar is not None:
            self._bar.set_postfix(known, refresh=False)
            self._bar.update(step - self._bar.n)
        elif time.monotonic() - self._said >= SECONDS_BETWEEN_LINES or (
            step == self.progress.steps and self.progress.state in WITH_LAST_LINE
        ):
            self._said = time.monotonic()
            words = "  ".join(f"{name} {value}" for name, value in known.items())
            self.say(f"{self.progress.state} {step}/{self.progress.steps}  {words}".rstrip())
        self.alive()

    def advance(self, steps: int = 1) -> None:
        """Show that so many more steps are done."""
        self.step(self.progress.step + steps)

    def alive(self) -> None:
        """Update progress.json if it is older than SECONDS_BETWEEN_WRITES."""
        if time.monotonic() - self._written >= SECONDS_BETWEEN_WRITES:
            self._write()

    def close(self) -> None:
        """Remove the progress bar."""
        if self._bar is not None:
            self._bar.refresh()  # with the last values
            self._bar.close()
            self._bar = None

    def _write(self) -> None:
        self._written = time.monotonic()
        if self.folder is not None and not self.silent:
            self.folder.write_progress(self.progress)


class MetricLog:
    """Log the values of steps and of held-out evaluations to JSONL files and TensorBoard.

    A silent log does nothing: only one of several processes logs.
    """

    def __init__(self, folder: RunFolder, step: int = 0, *, silent: bool = False) -> None:
        """Open the log of a run at `step`, and drop what was logged of later steps."""
        self.folder = folder
        self.board: SummaryWriter | None = None
        if not silent:
            folder.forget_lines_after(step)
            purged = step + 1 if step else None
            self.board = SummaryWriter(str(folder.tensorboard), purge_step=purged)

    def training_step(self, step: int, values: dict[str, float], seconds: float) -> None:
        """Log the values of a step that ended so many seconds after the run began."""
        if self.board is None:
            return
        self.folder.append_metric_line({"step": step, **values, "seconds": round(seconds, 3)})
        for name, value in values.items():
            self.board.add_scalar(f"train/{name}", value, step)

    def held_out(self, step: int, values: dict[str, float]) -> None:
        """Log the values of a held-out evaluation."""
        if self.board is None:
            return
        self.folder.append_evaluation({"step": step, **values})
        for name, value in values.items():
            self.board.add_scalar(f"held_out/{name}", value, step)

    def text(self, name: str, markdown: str, step: int) -> None:
        """Log a text for TensorBoard."""
        if self.board is not None:
            self.board.add_text(name, markdown, step)

    def image(self, name: str, pixels: NDArray[np.uint8], step: int) -> None:
        """Log an image for TensorBoard, given its pixels (height, width, 3)."""
        if self.board is not None:
            self.board.add_image(name, pixels, step, dataformats="HWC")

    def histogram(self, name: str, values: NDArray[np.float64], step: int) -> None:
        """Log a histogram of the finite ones of some numbers for TensorBoard."""
        known = values[np.isfinite(values)]
        if self.board is not None and len(known):
            # TensorBoard's own bins end at 1e20, and it fails where they hold no number.
            self.board.add_histogram(name, known, step, bins=HISTOGRAM_BINS)

    def hyperparameters(
        self, settings: Mapping[str, str | float], figures: Mapping[str, float]
    ) -> None:
        """Log settings and final figures for TensorBoard's HParams page, which compares runs.

        TensorBoard takes its columns from the first run that describes an experiment, so none does:
        without, it makes them of all runs.
        """
        if self.board is None:
            return
        _experiment, *session = hparams(dict(settings), {})
        writer: Any = self.board.file_writer
        for part in session:
            writer.add_summary(part)
        for name, value in figures.items():
            self.board.add_scalar(f"final/{name}", value)

    def flush(self) -> None:
        """Write to the disk what TensorBoard's log still holds in memory."""
        if self.board is not None:
            self.board.flush()

    def close(self) -> None:
        """Close TensorBoard's log."""
        if self.board is not None:
            self.board.close()
