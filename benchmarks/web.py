"""How fast labellers are served: rankings a second, and the wait from a submit to the next task.

    .venv/bin/python benchmarks/web.py [--database sqlite] [--prompts 1000 100000 1000000]

Against `manage.py serve` as it is, with the task worker beside it, on SQLite and on an embedded
PostgreSQL. Every prompt has 6 responses of 60 to 100 words, a third of them with Markdown; every
fifth prompt has been ranked before. A step is the POST of a ranking whose answer brings the next
task; its time is from sending to the last byte of the answer. Labellers do not think: each submits
as soon as the next task is there. After each measurement its rankings are taken back, so that the
next one begins with the same rows. The sizes take turns; medians of --repeats.

The load comes from this process, one thread and one keep-alive connection a labeller, on plain
sockets without an HTTP library, because it shares the cores with the server (and with PostgreSQL):
its share of a core is printed. A million prompts take some 10 GB of disk for each database.
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
FINISHED = 5  # every fifth prompt
LABELLERS = (1, 8)
WARM_UP = 40  # rankings before the clock starts, so that every thread of the server has served


class Measured(NamedTuple):
    rate: float  # rankings a second
    p50: float  # milliseconds from submit to the next task
    p95: float
    page: float  # milliseconds of the plain GET, median
    load: float  # share of a core that the load took


def form(answer: Answer) -> dict[str, object]:
    """The ranking of the task in an answer."""
    token = answer.between(b'name="assignment" value="', b'"')
    if answer.status != 200 or not token:
        raise SystemExit(f"no task in an answer with status {answer.status}")
    key = answer.between(b'name="key" value="', b'"')
    return {"assignment": token, "key": key, "seconds": 20, **RANKS}


def label(connection: Connection, rankings: int, seconds: list[float]) -> None:
    """Rank so many tasks, one after the other, and note how long each submit-and-next took."""
    connection.drop()  # the server hangs up on who says nothing for two seconds
    task = form(connection.ask("GET", URL))
    for _ in range(rankings):
        start = time.perf_counter()
        answer = connection.ask("POST", URL, task)
        seconds.append(time.perf_counter() - start)
        task = form(answer)


def together(connections: Sequence[Connection], rankings: int) -> list[float]:
    """The labellers share the rankings; the seconds of each step."""
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
        raise SystemExit("a labeller stopped")
    return seconds


def measure(installation: Installation, sessions: Sequence[str], rankings: int) -> Measured:
    connections = [Connection(installation.port, session) for session in sessions]
    together(connections, WARM_UP)
    cpu, start = time.process_time(), time.perf_counter()
    seconds = together(connections, rankings)
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


# Everything that a measurement has added; what was there before was ranked in January.
NEW = "> '2026-02-01'"
TAKE_BACK = f"""
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


def take_back(database: Database) -> None:
    for statement in TAKE_BACK.split(";"):
        database.rows(statement)
    if not database.is_sqlite:  # what autovacuum does in time
        for table in ("placement", "ranking", "assignment", "prompt", "member"):
            database.rows(f"VACUUM labelapp_{table}")


def median(measured: Sequence[Measured]) -> Measured:
    return Measured(*(statistics.median(values) for values in zip(*measured, strict=True)))


def bench(
    installations: dict[int, Installation], options: argparse.Namespace
) -> dict[tuple[int, int], Measured]:
    """Figures for each number of labellers and of prompts, the sizes by turns."""
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
                take_back(database)
                database.close()
    return {key: median(measured) for key, measured in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--prompts", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument(
        "--rankings", type=int, default=720, help="of 8 labellers; 1 makes a fourth"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", help="where the databases go while they are used")
    add_server_option(parser)
    options = parser.parse_args()
    if (
        options.rankings + WARM_UP + max(LABELLERS)
        > min(options.prompts) * (FINISHED - 1) / FINISHED
    ):
        parser.error("--rankings: more than wait among the fewest --prompts")
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
