"""Measure rankings per second, and the time from a submit to the next task.

    .venv/bin/python benchmarks/web.py [--database sqlite] [--prompts 1000 100000 1000000]

The server is `manage.py serve` with its task worker, on SQLite and on an embedded PostgreSQL. Every
prompt has 6 responses of 60 to 100 words, a third of them with Markdown, and every fifth prompt has
been ranked. A step is the POST of a ranking whose response contains the next task, timed from
sending to the last byte of the response. Labellers submit as soon as they have the next task. The
rankings of each measurement are deleted afterwards, so that the next one starts with the same rows.
The sizes take turns, and the results are medians of --repeats.

This process generates the load, with one thread and one keep-alive connection per labeller. It uses
plain sockets without an HTTP library, because it shares the cores with the server (and with
PostgreSQL), and prints its own CPU time as a fraction of a core. A million prompts take about 10 GB
of disk per database.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.installation import (
    Answer,
    Connection,
    Database,
    Installation,
    add_server_option,
    embedded_postgresql,
    new_database,
    quantile,
)

URL = "/projects/bench/labelling/"
RANKS = {f"rank-{letter}": rank for rank, letter in enumerate("ABCDEF", start=1)}
FINISHED = 5  # every fifth prompt is ranked
LABELLERS = (1, 8)
WARM_UP = 40  # rankings before the measurement, so that every thread of the server is warm


class Measured(NamedTuple):
    """The results of a measurement; times are in milliseconds."""

    rate: float  # rankings per second
    p50: float  # time from submit to the next task
    p95: float
    page: float  # median time of a GET
    load: float  # CPU time of the load, as a fraction of a core


def form(answer: Answer) -> dict[str, object]:
    """Return the form that ranks the task in an answer."""
    token = answer.between(b'name="assignment" value="', b'"')
    if answer.status != 200 or not token:
        raise SystemExit(f"an answer with status {answer.status} contains no task")
    key = answer.between(b'name="key" value="', b'"')
    return {"assignment": token, "key": key, "seconds": 20, **RANKS}


def label(connection: Connection, rankings: int, seconds: list[float]) -> None:
    """Rank tasks one after another, and append the seconds of each step to `seconds`."""
    connection.drop()  # the server closes connections that are idle for two seconds
    task = form(connection.ask("GET", URL))
    for _ in range(rankings):
        start = time.perf_counter()
        answer = connection.ask("POST", URL, task)
        seconds.append(time.perf_counter() - start)
        task = form(answer)


def label_in_parallel(connections: Sequence[Connection], rankings: int) -> list[float]:
    """Divide the rankings among the labellers, and return the seconds of each step."""
    seconds: list[float] = []
    share = rankings // len(connections)
    threads = [
        threading.Thread(target=label, args=(connection, share, seconds))
        for connection in connections
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(seconds) != share * len(connections):
        raise SystemExit("a labeller stopped early")
    return seconds


def measure(installation: Installation, sessions: Sequence[str], rankings: int) -> Measured:
    connections = [Connection(installation.port, session) for session in sessions]
    label_in_parallel(connections, WARM_UP)
    cpu, start = time.process_time(), time.perf_counter()
    seconds = label_in_parallel(connections, rankings)
    passed = time.perf_counter() - start
    load = (time.process_time() - cpu) / passed
    connections[0].drop()
    pages = []
    for _ in range(30):
        start = time.perf_counter()
        connections[0].ask("GET", URL)
        pages.append(time.perf_counter() - start)
    for connection in connections:
        connection.drop()
    return Measured(
        rate=len(seconds) / passed,
        p50=1000 * quantile(seconds, 0.5),
        p95=1000 * quantile(seconds, 0.95),
        page=1000 * statistics.median(pages),
        load=load,
    )


# Deletes what a measurement added; all earlier rankings are from January.
NEW = "> '2026-02-01'"
DELETE_NEW = f"""
    DELETE FROM labelapp_placement
    WHERE ranking_id IN (SELECT id FROM labelapp_ranking WHERE key IS NOT NULL);
    DELETE FROM labelapp_ranking WHERE key IS NOT NULL;
    UPDATE labelapp_member SET queue_priority = NULL, queue_prompt = NULL, ranked_on = NULL,
    ranked = ranked - (
        SELECT count(*) FROM labelapp_assignment a
        WHERE a.member_id = labelapp_member.id AND a.submitted_at {NEW});
    UPDATE labelapp_prompt SET rankings_needed = rankings_wanted
    WHERE id IN (SELECT prompt_id FROM labelapp_assignment WHERE expires_at {NEW});
    DELETE FROM labelapp_assignment WHERE expires_at {NEW}"""


def delete_new_rankings(database: Database) -> None:
    for statement in DELETE_NEW.split(";"):
        database.rows(statement)
    if not database.is_sqlite:  # autovacuum would do it later
        for table in ("placement", "ranking", "assignment", "prompt", "member"):
            database.rows(f"VACUUM labelapp_{table}")


def median(measured: Sequence[Measured]) -> Measured:
    return Measured(*(statistics.median(values) for values in zip(*measured, strict=True)))


def bench(
    installations: dict[int, Installation], options: argparse.Namespace
) -> dict[tuple[int, int], Measured]:
    """Return the results by numbers of labellers and prompts; the sizes take turns."""
    sessions = {}
    for prompts, installation in installations.items():
        start = time.perf_counter()
        sessions[prompts] = installation.fill(
            prompts=prompts, labellers=max(LABELLERS), finished=FINISHED
        )
        print(f"  {prompts:,} prompts filled in {time.perf_counter() - start:.0f} s", flush=True)
    for installation in installations.values():
        installation.start()
    found: dict[tuple[int, int], list[Measured]] = defaultdict(list)
    for _ in range(options.repeats):
        for labellers in LABELLERS:
            rankings = options.rankings if labellers > 1 else options.rankings // 4
            for prompts, installation in installations.items():
                measured = measure(installation, sessions[prompts][:labellers], rankings)
                found[labellers, prompts].append(measured)
                database = installation.database()
                delete_new_rankings(database)
                database.close()
    return {key: median(measured) for key, measured in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--prompts", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument(
        "--rankings",
        type=int,
        default=720,
        help="rankings by 8 labellers; one labeller makes a quarter",
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", help="folder for the temporary databases")
    add_server_option(parser)
    options = parser.parse_args()
    if (
        options.rankings + WARM_UP + max(LABELLERS)
        > min(options.prompts) * (FINISHED - 1) / FINISHED
    ):
        parser.error("--rankings exceeds the unranked prompts of the smallest size; lower it")
    print(f"{os.cpu_count()} cores, {options.repeats} repeats, {options.rankings} rankings each")
    for kind in options.database:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            bench_database(kind, Path(name), options)


def bench_database(kind: str, folder: Path, options: argparse.Namespace) -> None:
    print(f"\n{kind}")
    server = embedded_postgresql(folder) if kind == "postgresql" else ""
    with ExitStack() as running:
        installations = {}
        for prompts in options.prompts:
            own = folder / str(prompts)
            own.mkdir()
            url = new_database(server, f"bench{prompts}") if server else ""
            installations[prompts] = running.enter_context(Installation(own, url, options.server))
        found = bench(installations, options)
    print(
        "| prompts | labellers | rankings a second | p50 | p95 | the page alone "
        "| p50 against the fewest | load |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for (labellers, prompts), m in found.items():
        ratio = m.p50 / found[labellers, options.prompts[0]].p50
        print(
            f"| {prompts:,} | {labellers} | {m.rate:.0f} | {m.p50:.1f} ms | {m.p95:.1f} ms "
            f"| {m.page:.1f} ms | {ratio:.2f} | {m.load:.0%} |"
        )


if __name__ == "__main__":
    main()
