"""Run jobs, each a process with a time limit, and write their tables after every one."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring import Rows, markdown, run
from benchmarks.training import with_speeds

MIN_SECONDS = 15.0
"""Seconds that must be left for another job to begin."""


class Job(NamedTuple):
    table: str
    name: str
    seconds: float
    command: list[str]

    @property
    def title(self) -> str:
        return f"{self.table}: {self.name}"


class Report:
    """Hold the tables so far, and write them after every job."""

    def __init__(self, folder: Path, minutes: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.log = folder / "log.txt"
        self.log.unlink(missing_ok=True)
        self.started = time.monotonic()
        self.ends = self.started + 60 * minutes
        self.tables: dict[str, Rows] = {}
        self.failures: Rows = []
        self.times: Rows = []
        self.left_out: list[str] = []

    def run(self, jobs: list[Job], together: int, *, limits: bool) -> None:
        """Run jobs, so many at a time; `limits` is False if only the end of the time stops them."""

        def run_job(job: Job) -> tuple[Rows, str, str, float] | None:
            began = time.monotonic()
            left = self.ends - began
            if left < MIN_SECONDS:
                return None
            print(job.title, flush=True)
            done = run(job.command, min(left, job.seconds) if limits else left)
            return *done, time.monotonic() - began

        with ThreadPoolExecutor(together) as pool:
            for job, done in zip(jobs, pool.map(run_job, jobs), strict=True):
                self.add(job, done)

    def add(self, job: Job, done: tuple[Rows, str, str, float] | None) -> None:
        """Record what a job returned, or that there was no time for it, and write the report."""
        if done is None:
            self.left_out.append(job.title)
        else:
            rows, failure, errors, seconds = done
            with self.log.open("a") as file:
                file.write(f"\n# {job.title}\n{errors}")
            self.tables.setdefault(job.table, []).extend(rows)
            self.times.append({"job": job.title, "seconds": seconds})
            if failure:
                self.failures.append({"job": job.title, "failure": failure})
        self.write()

    def write(self) -> None:
        seconds = time.monotonic() - self.started
        shown = {
            name: with_speeds(rows) if name.startswith("Training") else rows
            for name, rows in self.tables.items()
        }
        values = {"seconds": seconds, "tables": shown, "failures": self.failures}
        values |= {"left_out": self.left_out, "times": self.times}
        (self.folder / "gpu.json").write_text(json.dumps(values, indent=1) + "\n")
        named = shown | {"Failures": self.failures, "Times": self.times}
        lines = [f"## {name}\n\n{markdown(rows)}" for name, rows in named.items() if rows]
        lines.append(f"Total: {seconds:.0f} seconds.\n")
        if self.left_out:
            lines.append(f"Left out for lack of time: {'; '.join(self.left_out)}.\n")
        (self.folder / "gpu.md").write_text("\n".join(lines))
