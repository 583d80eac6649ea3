"""Measure the response times of the pages of a very large project.

    .venv/bin/python benchmarks/dashboards.py [--database postgresql] [--rankings 1000000]

The project is that of benchmarks/archive.py, with a measured agreement, skipped prompts, and 200
runs with curves, 40 of which are a grid. Two runs have scores, a measured review and a place in the
registry. 800 prompts were deleted and can be restored. Every page is requested `--times` times in
this process, through all of Django. The output has the median and the slowest time; that of a
request before, which counts what is cached for a minute; the CPU time of either, in this process
and in PostgreSQL together; and the number of SQL statements. On a busy machine the CPU time tells
more than the median, which is near it on a quiet one. With `--folder` the data are kept, and a
second call measures them again. With `--unmeasured` there are no figures of agreement and of
reviews, which take long to compute.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.installation import (
    Installation,
    database_url,
    embedded_postgresql,
    new_database,
)

RANKINGS_PER_PROMPT = 4
RUNS, OF_GRID, HELD_OUT, STEPS = 200, 40, 1000, 500
EPOCHS = [1, 2, 3, 4]  # of the runs of the grid, each with the same seeds
SCORED_RUNS = 2  # the newest
DELETED = 800  # prompts, which can be restored
TARGET = 150  # milliseconds at the median
LABELLERS = 40
TABS = ("", "curves/", "errors/", "data/", "settings/", "files/", "log/")
SCORED = [
    """INSERT INTO labelapp_score (run_id, response_id, reward)
    SELECT {run}, s.id, (s.id * {factor} % 1000) / 250.0 - 2 FROM labelapp_response s""",
    """INSERT INTO labelapp_promptagreement (run_id, prompt_id, comparisons, against,
    disagreement, held_out)
    SELECT {run}, p.id, 60, p.id * 31 % 61, (p.id * 31 % 61) / 60.0, p.id % 10 = 0
    FROM labelapp_prompt p""",
]
SKIPPED = [
    """UPDATE labelapp_assignment SET submitted_at = NULL, slot = NULL, skipped_at = created_at,
    skip_reason = 'broken' WHERE id % 5000 = 0""",
    """UPDATE labelapp_prompt SET rankings_needed = 1 WHERE id IN
    (SELECT prompt_id FROM labelapp_assignment WHERE id % 5000 = 0)""",
    """DELETE FROM labelapp_placement WHERE ranking_id IN (SELECT r.id FROM labelapp_ranking r
    JOIN labelapp_assignment a ON a.prompt_id = r.prompt_id AND a.member_id = r.member_id
    WHERE a.skipped_at IS NOT NULL)""",
    """DELETE FROM labelapp_rankingdisagreement WHERE ranking_id IN
    (SELECT r.id FROM labelapp_ranking r
    JOIN labelapp_assignment a ON a.prompt_id = r.prompt_id AND a.member_id = r.member_id
    WHERE a.skipped_at IS NOT NULL)""",
    """DELETE FROM labelapp_ranking WHERE id IN (SELECT r.id FROM labelapp_ranking r
    JOIN labelapp_assignment a ON a.prompt_id = r.prompt_id AND a.member_id = r.member_id
    WHERE a.skipped_at IS NOT NULL)""",
]


def prepare() -> None:
    """Add a manager and the runs, of which the newest have scores and a version."""
    from django.db import connection

    from labelapp.models import Alias, Grid, Member, Project, Role, User
    from labelapp.projects import prompt_deletion
    from labelapp.registry import versions

    project = Project.objects.get()
    user = User.objects.create_user("manager")
    Member.objects.create(project=project, user=user, name="manager", role=Role.MANAGER)
    seeds = list(range(OF_GRID // len(EPOCHS)))
    grid = Grid.objects.create(project=project, varied={"epochs": EPOCHS, "seed": seeds})
    runs = [add_run(project, number, grid if number < OF_GRID else None) for number in range(RUNS)]
    with connection.cursor() as cursor:
        for number, run in enumerate(runs[-SCORED_RUNS:]):
            for statement in SCORED:
                cursor.execute(statement.format(run=run.pk, factor=7919 + 12 * number))
            held_out = run.agreements.filter(held_out=True).count()
            run.held_out.update(prompts=held_out, comparisons=60 * held_out)
            run.save(update_fields=["metrics"])
        for statement in SKIPPED:
            cursor.execute(statement)
    deleted = project.prompts.filter(pk__in=range(1, DELETED * 200, 200))
    prompt_deletion.delete(deleted, project=project, by=user, enqueue=lambda _: None)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
    for run in runs[-SCORED_RUNS:]:
        version = versions.register(run, user)
        if version.number == 1:
            versions.move(Alias.CHAMPION, version, project=project, seen=None, reason="First.")


def measure_reviews() -> None:
    """Store the figures of the reviews of the scored runs, and print how long each took."""
    from django.utils import timezone

    from labelapp.models import Project, ReviewMeasurement
    from labelapp.reviewing.figures import measure as measure_review
    from labelapp.reviewing.figures import store_margins

    project = Project.objects.get()
    for run in project.runs.order_by("-pk")[:SCORED_RUNS]:
        started = timezone.now()
        review, margins = measure_review(run)
        store_margins(run, margins)
        measurement = ReviewMeasurement.objects.create(
            project=project, run=run, result=review.to_json(), state="done", started_at=started,
            finished_at=timezone.now(),
        )  # fmt: skip
        seconds = (measurement.finished_at - started).total_seconds()
        print(f"  measured the review of a run in {seconds:.0f} s", flush=True)


def judgement(number: int, agreed: int) -> dict[str, Any]:
    """Return what a run gets right on a held-out prompt."""
    return {
        "prompt": f"{number:04d}", "agreed": agreed, "comparisons": 10, "log_loss": 11 - agreed,
        "near_agreed": agreed % 3, "near_comparisons": number % 3 and 3,
    }  # fmt: skip


def add_run(project: Any, number: int, grid: Any) -> Any:
    """Store a finished run with its folder."""
    from django.utils import timezone

    from labelapp.models import TrainingRun
    from labelapp.runs.process import run_folder
    from training.config import TrainConfig
    from training.runs.folder import METRIC_LINES

    run = TrainingRun.objects.create(
        project=project,
        config=asdict(TrainConfig())
        | {"epochs": EPOCHS[number % len(EPOCHS)], "seed": number // len(EPOCHS)},
        state="done",
        finished_at=timezone.now(),
        metrics=metrics(number),
        grid=grid,
        folder=f"runs/{number}",
    )
    folder = run_folder(run)
    folder.model.mkdir(parents=True)
    folder.write_judgements(judgement(n, (n * 31 + number) % 11) for n in range(HELD_OUT))
    with open(folder.path / METRIC_LINES, "w", encoding="utf-8") as file:
        for step in range(1, STEPS + 1):
            values = {"step": step, "loss": 1 / step, "accuracy": 0.6, "learning_rate": 0.001}
            file.write(json.dumps(values | {"gradient_norm": 1.5, "tokens_per_second": 9e4}) + "\n")
    for step in range(0, STEPS + 1, 50):
        folder.append_evaluation({"step": step, "loss": 0.6, "log_loss": 0.6, "accuracy": 0.6})
    return run


def metrics(number: int) -> dict[str, Any]:
    """Return the metrics of a run as the list of runs shows them."""
    accuracy = 0.6 + number / 2000
    interval = {"accuracy_low": accuracy - 0.03, "accuracy_high": accuracy + 0.03}
    beside = {"accuracy": 0.55, "gain": accuracy - 0.55, "gain_low": 0.01, "gain_high": 0.1}
    held_out = {
        "accuracy": accuracy, **interval, "prompts": HELD_OUT, "comparisons": 10 * HELD_OUT,
        "rankings": HELD_OUT, "baselines": {"longer_wins": beside, "word_counts": beside},
        "comparisons_sha256": "same", "log_loss": 0.65,
    }  # fmt: skip
    return {"held_out": held_out, "seconds": 100 + number, "tokens": 10**6, "peak_memory": 10**9}


def pages() -> list[str]:
    """Return the addresses of the pages."""
    from labelapp.models import Project

    project = Project.objects.get()
    prompt = project.prompts.order_by("pk")[1000].pk
    keys = list(project.runs.order_by("pk").values_list("pk", flat=True))
    first, champion, newest = keys[0], *keys[-SCORED_RUNS:]
    grid = project.grids.get().pk
    filters = ("waiting", "work", "done", "skipped", "unqueued", "names")
    sorts = ("-prompt", "-rankings", "rankings", "-wanted", "wanted", "-priority", "priority")
    sorts += ("-disagreement", "-progress", "-skips")
    labeller = project.members.get(name="labeller-0").pk
    ours = "/projects/bench/"
    return [
        "/",
        ours,
        f"{ours}progress/",
        f"{ours}prompts/",
        f"{ours}prompts/?after={prompt}",
        *(f"{ours}prompts/?show={shown}" for shown in filters),
        *(f"{ours}prompts/?sort={sort}" for sort in sorts),
        f"{ours}prompts/deleted/",
        f"{ours}prompts/?q=prompt+number",
        f"{ours}prompts/?q=nobody+asked+this",
        f"{ours}find/found/?q=nobody+asked+this",
        f"{ours}prompts/{prompt}/",
        f"{ours}people/",
        f"{ours}agreement/",
        f"{ours}agreement/measured/",
        f"{ours}disagreements/",
        f"{ours}disagreements/{prompt}/",
        f"{ours}uploads/",
        f"{ours}reviewing/",
        f"{ours}reviewing/{prompt}/",
        f"{ours}reviewing/?model=against&held_out=1&sort=margin",
        f"{ours}reviewing/?q=nobody+asked+this",
        f"{ours}reviewing/?rank=6&held_out=1",
        *(f"{ours}reviewing/?differs={rater}" for rater in ("model", "longer", labeller)),
        f"{ours}reviewing/figures/",
        f"{ours}models/",
        f"{ours}models/2/",
        f"{ours}models/2/promote/",
        f"{ours}runs/",
        f"{ours}runs/?sort=-accuracy",
        f"{ours}runs/?q=seed+1",
        *(f"{ours}runs/{newest}/{tab}" for tab in TABS),
        f"{ours}runs/new/",
        f"{ours}runs/compare/?{'&'.join(f'run={first + number}' for number in range(8))}",
        f"{ours}runs/compare/?run={champion}&run={newest}",
        f"{ours}runs/grids/",
        f"{ours}runs/grids/new/",
        f"{ours}runs/grids/{grid}/",
        f"{ours}export/",
        f"{ours}settings/",
        f"{ours}invitations/",
        f"{ours}my-work/",
    ]


def time_requests(ask: Callable[[], Any], number: int) -> list[float]:
    """Request a page so many times, and return the milliseconds of each request."""
    times = []
    for _ in range(number):
        start = time.perf_counter()
        answer = ask()
        times.append(1000 * (time.perf_counter() - start))
        if answer.status_code != 200:
            raise SystemExit(f"status {answer.status_code}")
    return times


def cpu_seconds(folder: Path) -> float:
    """Return the CPU time of this process, and of the PostgreSQL server in the folder if any."""
    ticks = 0
    with suppress(OSError):  # SQLite, or a system without /proc
        postmaster = (folder / "postgres" / "postmaster.pid").read_text().split()[0]
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # a process that has ended
                values = path.read_text().rsplit(")", 1)[1].split()
                own, of_ended = values[11:13], values[13:15]
                if path.parent.name == postmaster:
                    ticks += sum(map(int, own + of_ended))
                elif values[1] == postmaster:
                    ticks += sum(map(int, own))
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def measure(installation: Installation, rankings: int, number: int, *, measured: bool) -> None:
    """Fill the installation, unless that is done, and print the times of its pages."""
    filled = installation.folder / "filled"
    if not filled.exists():
        installation.fill(
            prompts=rankings // RANKINGS_PER_PROMPT,
            labellers=LABELLERS,
            wanted=RANKINGS_PER_PROMPT,
            finished=1,
            words=20,
            recent=1,
        )
    os.environ.update(installation.environment, DJANGO_SETTINGS_MODULE="labelapp.settings")
    import django

    django.setup()
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from labelapp.models import User

    if not filled.exists():
        prepare()
        filled.touch()
    figures = installation.folder / "measured"
    if measured and not figures.exists():
        start = time.perf_counter()
        installation.run("manage.py", "measure_agreement", "--project", "bench")
        print(f"  measured the agreement in {time.perf_counter() - start:.0f} s", flush=True)
        measure_reviews()
        figures.touch()
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(username="manager"))
    for page in pages():
        start = cpu_seconds(installation.folder)
        [first] = time_requests(partial(client.get, page), 1)
        before = cpu_seconds(installation.folder)
        times = time_requests(partial(client.get, page), number)
        used = 1000 * (cpu_seconds(installation.folder) - before) / number
        used_first = 1000 * (before - start)
        with CaptureQueriesContext(connection) as statements:
            client.get(page)
        median = statistics.median(times)
        print(
            f"  {page:50} {median:6.0f} ms, slowest {max(times):6.0f} ms, CPU {used:5.0f} ms, "
            f"first {first:6.0f} ms, CPU {used_first:5.0f} ms, {len(statements):3} statements"
            f"{'  SLOW' if median > TARGET else ''}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--rankings", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=20, help="requests of each page")
    parser.add_argument("--unmeasured", action="store_true")
    parser.add_argument("--folder", type=Path, help="keep the data here")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-pages-"))
        )
        folder.mkdir(parents=True, exist_ok=True)
        server = embedded_postgresql(folder) if options.database == "postgresql" else ""
        is_new = not (folder / "filled").exists()
        make = new_database if is_new else database_url
        url = make(server, "pages") if server else ""
        print(f"{options.database}, {options.rankings:,} rankings")
        measure(
            Installation(folder, url),
            options.rankings,
            options.times,
            measured=not options.unmeasured,
        )


if __name__ == "__main__":
    main()
