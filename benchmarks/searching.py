"""Measure how long searches take in a project of very many prompts, and how long the index takes.

    .venv/bin/python -m benchmarks.searching --prompts 1000000 --words 20 [--database URL]

Without `--database` it makes a database of SQLite in a temporary folder. A PostgreSQL given by its
URL must be empty, and have the extension pg_trgm. Prompts and responses have 60 % to 100 % of
`--words` words, and each prompt has `--responses` responses. Half of the prompts have scores of a
run. A second project has 1,000 prompts. Each search is made as its page makes it, `--repeats`
times, taking turns.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

SIZES = ("prompts", "words", "responses")
SMALL = 1000  # prompts of the second project


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=150_000)
    parser.add_argument("--words", type=int, default=100)
    parser.add_argument("--responses", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--database", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="podium-search-") as folder:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "labelapp.settings", "DATA_DIR": folder}
        if options.database:
            os.environ["DATABASE_URL"] = options.database
        django.setup()
        measure(options, Path(folder))


def measure(options: argparse.Namespace, folder: Path) -> None:
    from django.core.management import call_command
    from django.db import connection

    from benchmarks import fill
    from labelapp.db import text_index
    from labelapp.models import Project, Prompt, TrainingRun

    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        kind = "INDEX" if connection.vendor == "postgresql" else "TABLE"
        for name in (text_index.PROMPT_TEXT, text_index.RESPONSE_TEXT):
            cursor.execute(f"DROP {kind} {name}")
        if kind == "TABLE":
            for table in text_index.SQLITE.values():
                for name in table.triggers:
                    cursor.execute(f"DROP TRIGGER {name}")
    project = Project.objects.create(name="Large", slug="large")
    labeller = fill.add_labeller(project, "labeller")
    fill.fill(project, [labeller], {name: getattr(options, name) for name in SIZES})
    small = Project.objects.create(name="Small", slug="small")
    Prompt.objects.bulk_create(
        Prompt(
            project=small,
            content_hash=f"{i:064x}",
            messages=[{"role": "user", "content": f"Prompt number {i} of the small project"}],
        )
        for i in range(SMALL)
    )
    run = TrainingRun.objects.create(project=project)
    before = size(connection, folder)
    began = time.monotonic()
    text_index.ensure()
    if not text_index.has_index():
        raise SystemExit("the database has no index: see manage.py check --database default")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO labelapp_promptagreement (run_id, prompt_id, disagreement, against, "
            "comparisons, margin, held_out) SELECT %s, id, (id * 7919 %% 100003) / 100003.0, 0, "
            "15, 0, %s FROM labelapp_prompt WHERE project_id = %s AND id %% 2 = 0",
            [run.pk, False, project.pk],
        )
    print(
        f"{connection.vendor}: {options.prompts:,} prompts of {options.words} words, "
        f"{options.responses} responses each"
    )
    print(
        f"the index was made in {time.monotonic() - began:.0f} s and takes "
        f"{(size(connection, folder) - before) / 1e9:.1f} GB beside {before / 1e9:.1f} GB",
        flush=True,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    report(searches(project, small, run, options.prompts), options.repeats)


def size(connection: Any, folder: Path) -> int:
    if connection.vendor == "sqlite":
        return sum(path.stat().st_size for path in folder.glob("*.sqlite3*"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def searches(project: Any, small: Any, run: Any, prompts: int) -> dict[str, Callable[[], int]]:
    """Return the searches by what they are, each with the number of rows that it finds."""
    from labelapp.palette.finding import prompts as in_palette
    from labelapp.projects.prompt_filters import PromptFilter
    from labelapp.projects.prompts import count_matching, page
    from labelapp.reviewing.filters import Filter, filtered

    def listed(where: Any, text: str) -> Callable[[], int]:
        return lambda: len(page(project=where, chosen=PromptFilter(q=text)).rows)

    def counted(where: Any, text: str) -> Callable[[], int]:
        return lambda: count_matching(where, PromptFilter(q=text))

    def reviewed(text: str) -> Callable[[], int]:
        return lambda: len(filtered(run, Filter(q=text))[:50])

    absent, common, rare = "nowhere to be found", "prompt number", f"number {prompts - 1}:"
    some = f"number {str(prompts)[:1]}2"  # a percent or so
    return {
        "prompts: in none": listed(project, absent),
        "prompts: in none, of frequent trigrams": listed(project, "prompt prompt number"),
        "prompts: in one": listed(project, rare),
        "prompts: in some": listed(project, some),
        "prompts: in all": listed(project, common),
        "prompts: two letters": listed(project, "zq"),
        "counted: in one": counted(project, rare),
        "counted: in some": counted(project, some),
        "counted: in all": counted(project, common),
        "small project: in none": listed(small, absent),
        "small project: in one": listed(small, "number 777 of"),
        "small project: in all": listed(small, common),
        "palette: in none": lambda: len(in_palette(project, absent)),
        "palette: in one": lambda: len(in_palette(project, rare)),
        "palette: in all": lambda: len(in_palette(project, common)),
        "review: in none": reviewed(absent),
        "review: in one prompt": reviewed(rare),
        "review: in all prompts": reviewed(common),
    }


def report(made: dict[str, Callable[[], int]], repeats: int) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in made}
    rows = {name: search() for name, search in made.items()}
    for _ in range(repeats):
        for name, search in made.items():
            began = time.perf_counter()
            search()
            seconds[name].append(time.perf_counter() - began)
    for name, found in seconds.items():
        least, median, most = (
            1000 * figure for figure in (min(found), statistics.median(found), max(found))
        )
        figures = f"median {median:8.1f} ms, from {least:8.1f} to {most:8.1f} ms"
        print(f"{name:40} {rows[name]:6,} rows, {figures}", flush=True)


if __name__ == "__main__":
    main()
