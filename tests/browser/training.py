"""Train through the pages: the form, and the worker that takes the run up."""

import os
import re
import subprocess
import sys
from pathlib import Path

from django.db import connection
from playwright.sync_api import Page, expect

from labelapp.jobs.environment import database_url
from labelapp.models import State, TrainingRun

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "examples" / "pandalm.jsonl.gz"
PATIENT = 600_000.0  # milliseconds: a bound for the slowest machine, not a measure


def start_worker(
    data_dir: Path, queue: str, *options: str, runs_dir: Path | None = None
) -> "subprocess.Popen[bytes]":
    """Start a task worker, a process of its own on this test's database."""
    env = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(data_dir),
        "DATABASE_URL": database_url(connection.settings_dict),
    }
    if runs_dir is not None:
        env["RUNS_DIR"] = str(runs_dir)
    worker = [sys.executable, "manage.py", "db_worker", "--queue-name", queue, "--verbosity", "0"]
    return subprocess.Popen([*worker, *options], cwd=ROOT, env=env)


def train(page: Page, url: str, **settings: str) -> TrainingRun:
    """Start a run with these settings in the form, and return it."""
    page.goto(f"{url}runs/new/")
    for details in page.locator("#train details").all():
        details.locator("summary").click()
    for name, value in settings.items():
        field = page.locator(f"#train [name={name}]")
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url(re.compile(r"/runs/\d+/$"))
    return TrainingRun.objects.latest("pk")


def await_end(page: Page, run: TrainingRun) -> None:
    """Follow the page of a run until it is done."""
    expect(page.get_by_role("link", name="Review the scores")).to_be_visible(timeout=PATIENT)
    run.refresh_from_db()
    assert (run.state, run.reason) == (State.DONE, "")
