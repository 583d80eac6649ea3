"""Measure the response times of the pages of a very large project.

    .venv/bin/python benchmarks/dashboards.py [--database postgresql] [--rankings 1000000]

The project is that of benchmarks/archive.py, with a measured agreement, skipped prompts, a run with
scores, and 200 runs without them, 40 of which are a grid. Every page is requested 20 times in this
process, through all of Django. The output has the median, the slowest time, and the number of SQL
statements.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.installation import Installation, embedded_postgresql, new_database

TIMES = 20
RANKINGS_PER_PROMPT = 4
RUNS, OF_GRID, HELD_OUT = 200, 40, 1000
LABELLERS = 40
SCORED = [
    """INSERT INTO labelapp_score (run_id, response_id, reward)
    SELECT {run}, s.id, (s.id * 7919 % 1000) / 250.0 - 2 FROM labelapp_response s""",
    """INSERT INTO labelapp_promptagreement (run_id, prompt_id, comparisons, against,
    disagreement, held_out)
    SELECT {run}, p.id, 60, p.id * 31 % 61, (p.id * 31 % 61) / 60.0, p.id % 10 = 0
    FROM labelapp_prompt p""",
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


def prepare() -> tuple[Any, list[str]]:
    """Add a manager and a scored run; return the manager's client and the paths of the pages."""
    from django.db import connection
    from django.test import Client
    from django.utils import timezone

    from labelapp.models import Grid, Member, Project, Role, TrainingRun, User
    from labelapp.runs.process import run_folder
    from training.config import TrainConfig

    project = Project.objects.get()
    user = User.objects.create_user("manager")
    Member.objects.create(project=project, user=user, name="manager", role=Role.MANAGER)
    now = timezone.now()
    config = asdict(TrainConfig())
    grid = Grid.objects.create(project=project, varied={"seed": list(range(OF_GRID))})
    for number in range(RUNS):
        run = TrainingRun.objects.create(
            project=project,
            config=config | {"seed": number},
            state="done",
            finished_at=now,
            metrics=metrics(number),
            grid=grid if number < OF_GRID else None,
            folder=f"runs/{number}",
        )
        folder = run_folder(run)
        folder.path.mkdir(parents=True)
        folder.write_judgements((f"{n:04d}", (n * 31 + number) % 11, 10) for n in range(HELD_OUT))
    with connection.cursor() as cursor:
        for statement in SCORED:
            cursor.execute(statement.format(run=run.pk))
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    first = project.runs.order_by("pk")[0].pk
    return client, pages(project.prompts.order_by("pk")[1000].pk, first, grid.pk)


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


def pages(prompt: int, first: int, grid: int) -> list[str]:
    filters = ("waiting", "work", "done", "skipped", "unqueued", "names")
    ours = "/projects/bench/"
    return [
        "/",
        ours,
        f"{ours}progress/",
        f"{ours}prompts/",
        f"{ours}prompts/?after={prompt}",
        *(f"{ours}prompts/?show={shown}" for shown in filters),
        f"{ours}prompts/?q=prompt+number",
        f"{ours}prompts/?q=nobody+asked+this",
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
        f"{ours}runs/",
        f"{ours}runs/?sort=-accuracy",
        f"{ours}runs/{first}/",
        f"{ours}runs/new/",
        f"{ours}runs/compare/?{'&'.join(f'run={first + number}' for number in range(8))}",
        f"{ours}runs/grids/",
        f"{ours}runs/grids/new/",
        f"{ours}runs/grids/{grid}/",
        f"{ours}export/",
        f"{ours}settings/",
        f"{ours}invitations/",
        f"{ours}my-work/",
    ]


def time_requests(ask: Callable[[], Any]) -> list[float]:
    """Request a page TIMES times, and return the milliseconds of each request."""
    times = []
    for _ in range(TIMES):
        start = time.perf_counter()
        answer = ask()
        times.append(1000 * (time.perf_counter() - start))
        if answer.status_code != 200:
            raise SystemExit(f"status {answer.status_code}")
    return times


def measure(installation: Installation, rankings: int) -> None:
    installation.fill(
        prompts=rankings // RANKINGS_PER_PROMPT,
        labellers=LABELLERS,
        wanted=RANKINGS_PER_PROMPT,
        finished=1,
        words=20,
        recent=1,
    )
    installation.run("manage.py", "measure_agreement", "--project", "bench")
    os.environ.update(installation.environment, DJANGO_SETTINGS_MODULE="labelapp.settings")
    import django

    django.setup()
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client, paths = prepare()
    for page in paths:
        times = time_requests(partial(client.get, page))
        with CaptureQueriesContext(connection) as statements:
            client.get(page)
        median = statistics.median(times)
        print(
            f"  {page:50} {median:7.0f} ms, slowest {max(times):7.0f} ms, "
            f"{len(statements):3} statements{'  SLOW' if median > 300 else ''}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--rankings", type=int, default=1_000_000)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-pages-")))
        server = embedded_postgresql(folder) if options.database == "postgresql" else ""
        url = new_database(server, "pages") if server else ""
        print(f"{options.database}, {options.rankings:,} rankings")
        measure(Installation(folder, url), options.rankings)


if __name__ == "__main__":
    main()
