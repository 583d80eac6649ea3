"""Let many labellers work under faults of every kind, then check the database.

    .venv/bin/python benchmarks/storm.py --clients 50 --seconds 60 --database sqlite|postgresql

Each client is a signed-in labeller with its own session on `manage.py serve`. At random, it submits
a form twice at once, drops the connection after sending and sends the form again, lets its lease
expire and submits late, skips, undoes, saves a draft, or fetches the next task in advance. Halfway,
the server and all its processes are killed with kill -9 and started again. A client without an
answer sends the same form with the same key until it gets one.

Then the database is checked. Every acknowledged ranking is stored once, as its client last sent it,
unless the client undid it. No prompt has more rankings than it wants, except for those marked as
surplus. Slots and counts agree. No labeller was shown a prompt twice. The exit status is 1 if a
check fails. The test suite runs a short storm: tests/labelapp/labelling/test_storm.py.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
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
)

URL = "/projects/bench/labelling/"
GRACE = 60.0  # seconds until a form must be answered
# Probability of each event per task
EXPIRES, ALIVE, DRAFTS, AHEAD, SKIPS, UNDOES = 0.08, 0.05, 0.1, 0.4, 0.08, 0.08
TWICE, DROPPED = 0.2, 0.15  # probability per form


class Page(NamedTuple):
    """A task as a client sees it."""

    token: str
    key: str
    letters: str
    prompt: str


def read_page(answer: Answer) -> Page | None:
    """Return the task in an answer, or None without one."""
    token = answer.between(b'name="assignment" value="', b'"')
    if not token:
        return None
    return Page(
        token=token,
        key=answer.between(b'name="key" value="', b'"'),
        letters="".join(re.findall(r'id="response-([A-Z])"', answer.body.decode())),
        prompt=answer.between(b"Prompt number ", b":"),
    )


class Client:
    """The browser of a labeller, with a record of the server's answers."""

    def __init__(self, installation: Installation, session: str, seed: int) -> None:
        self.installation = installation
        self.session = session
        self.rng = random.Random(seed)
        self.stopped = threading.Event()
        self.connection = Connection(installation.port, session)
        self.shown: dict[str, str] = {}  # prompt -> its task
        self.stored: dict[str, dict[str, int]] = {}  # task -> its acknowledged ranks
        self.undone: set[str] = set()  # tasks whose rankings were undone
        self.skipped: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []

    def work(self) -> None:
        page = self.look(self.insist("GET", URL))
        while not self.stopped.is_set():
            if page is None:
                time.sleep(0.2)
                page = self.look(self.insist("GET", URL))
                self.counts["nothing waited"] += page is None
            else:
                page = self.do_task(page)

    def do_task(self, page: Page) -> Page | None:
        """Rank or skip a task with random events, and return the next one."""
        if self.happens(EXPIRES):
            self.let_lease_expire(page)
        if self.happens(ALIVE):
            self.insist("POST", f"{URL}alive/", {"token": page.token})
        if self.happens(DRAFTS):
            self.insist("POST", f"{URL}draft/", {"assignment": page.token, "rank-A": 2})
        ahead = self.fetch_ahead(page) if self.happens(AHEAD) else None
        answer = self.skip(page) if self.happens(SKIPS) else self.submit(page, ahead)
        if self.happens(UNDOES):
            return self.undo(page)
        return ahead if ahead is not None and page.token in self.stored else self.look(answer)

    def happens(self, share: float) -> bool:
        return self.rng.random() < share

    def let_lease_expire(self, page: Page) -> None:
        """Let the lease expire, as if the labeller had left the page open."""
        database = self.installation.database()
        token = page.token.replace("-", "") if database.is_sqlite else page.token
        database.rows(
            "UPDATE labelapp_assignment SET expires_at = '2026-01-01 00:00:00' "
            "WHERE token = %s AND submitted_at IS NULL",
            token,
        )
        database.close()
        self.counts["leases that ran out"] += 1
        time.sleep(self.rng.uniform(0.2, 1.5))

    def fetch_ahead(self, page: Page) -> Page | None:
        self.counts["fetched ahead"] += 1
        return self.look(self.insist("GET", f"{URL}next/?beside={page.token}"))

    def submit(self, page: Page, ahead: Page | None) -> Answer:
        ranks = {letter: self.rng.randint(1, len(page.letters)) for letter in page.letters}
        form = {f"rank-{letter}": rank for letter, rank in ranks.items()}
        form |= {"assignment": page.token, "key": page.key, "seconds": 5}
        answer = self.send(URL, form | ({"next": ahead.token} if ahead else {}))
        if answer.status == 200:
            self.stored[page.token] = ranks
            self.undone.discard(page.token)
            self.counts["rankings acknowledged"] += 1
        return answer

    def skip(self, page: Page) -> Answer:
        answer = self.send(f"{URL}skip/", {"assignment": page.token, "reason": "other"})
        self.skipped.add(page.token)
        self.counts["skipped"] += 1
        return answer

    def undo(self, page: Page) -> Page | None:
        """Undo the last action, and repeat the request until it is answered."""
        answer = self.insist("POST", f"{URL}undo/", {"undo": page.token})
        if self.stored.pop(page.token, None):
            self.undone.add(page.token)
        self.skipped.discard(page.token)
        self.counts["undone"] += 1
        return self.look(answer)

    def send(self, path: str, form: dict[str, object]) -> Answer:
        """Send a form once, twice at once, or over a connection that is dropped."""
        fate = self.rng.random()
        try:
            if fate < TWICE:
                self.counts["sent twice at once"] += 1
                return self.send_twice(path, form)
            if fate < TWICE + DROPPED:
                self.counts["connections dropped"] += 1
                self.connection.send("POST", path, form)
                self.connection.drop()
                if self.happens(0.5):
                    self.look(self.insist("GET", URL))
        except OSError:
            self.counts["answers lost"] += 1
        return self.insist("POST", path, form)

    def send_twice(self, path: str, form: dict[str, object]) -> Answer:
        second = Connection(self.installation.port, self.session)
        self.connection.send("POST", path, form)
        second.send("POST", path, form)
        try:
            answers = [self.connection.receive(), second.receive()]
        finally:
            self.connection.drop()
            second.drop()
        for answer in answers:
            self.judge(answer, path)
        if any(answer.status == 503 for answer in answers):
            raise ConnectionError("busy")
        return answers[1]

    def insist(self, method: str, path: str, form: dict[str, object] | None = None) -> Answer:
        """Repeat a request until it is answered, and return the answer."""
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline:
            try:
                answer = self.connection.ask(method, path, form)
            except OSError:
                self.connection.drop()
                self.counts["answers lost"] += 1
                time.sleep(0.1)
                continue
            if answer.status != 503:
                self.judge(answer, path)
                return answer
            self.counts["busy"] += 1
            time.sleep(0.2)
        raise TimeoutError(f"{path} was not answered in {GRACE:.0f} s")

    def judge(self, answer: Answer, path: str) -> None:
        if answer.status not in (200, 204, 503):
            self.faults.append(f"{path} was answered with {answer.status}")

    def look(self, answer: Answer) -> Page | None:
        """Return the task in an answer; note a fault if its prompt is done or in another task."""
        page = read_page(answer)
        if page is not None:
            if self.shown.setdefault(page.prompt, page.token) != page.token:
                self.faults.append(f"prompt {page.prompt} was shown in two tasks")
            if page.token in self.stored or page.token in self.skipped:
                self.faults.append(f"prompt {page.prompt} was shown when it was done")
        return page


class Storm(NamedTuple):
    """The numbers of events, and the faults that were found."""

    counts: Counter[str]
    faults: list[str]


def storm(
    installation: Installation,
    *,
    clients: int,
    seconds: float,
    prompts: int,
    wanted: int,
    rankings: int = 0,
) -> Storm:
    """Let the clients work, kill the server halfway, and check the database.

    The clients work for at least `seconds`, and on a slow machine for longer, until `rankings`
    rankings are acknowledged.
    """
    sessions = installation.fill(prompts=prompts, labellers=clients, wanted=wanted)
    people = [Client(installation, session, seed) for seed, session in enumerate(sessions)]
    threads = [threading.Thread(target=guarded, args=(person,), daemon=True) for person in people]
    installation.start()
    for thread in threads:
        thread.start()
    wait(people, seconds / 2, rankings / 2)
    installation.kill()
    time.sleep(0.5)
    installation.start()
    wait(people, seconds / 2, rankings)
    for person in people:
        person.stopped.set()
    for thread in threads:
        thread.join()
    installation.stop()  # after its current requests
    counts = sum((person.counts for person in people), Counter({"servers killed": 1}))
    faults = [fault for person in people for fault in person.faults]
    database = installation.database()
    try:
        return Storm(counts, [*faults, *check(database, people)])
    finally:
        database.close()


def wait(people: list[Client], seconds: float, rankings: float) -> None:
    """Wait for the seconds and the acknowledged rankings, at most GRACE seconds longer."""
    start = time.monotonic()
    while (passed := time.monotonic() - start) < seconds + GRACE:
        if passed >= seconds and acknowledged(people) >= rankings:
            return
        time.sleep(0.1)


def acknowledged(people: list[Client]) -> int:
    return sum(person.counts["rankings acknowledged"] for person in people)


def guarded(person: Client) -> None:
    try:
        person.work()
    except Exception as error:  # noqa: BLE001 - reported as a fault
        person.faults.append(f"a client stopped: {error!r}")
    finally:
        person.connection.drop()


class Task(NamedTuple):
    """A row of labelapp_assignment."""

    pk: int
    prompt: int
    member: int
    token: str
    slot: int | None
    order: list[int]
    submitted: bool


def check(database: Database, people: list[Client]) -> list[str]:
    """Return the faults in the database, given the answers that the clients got."""
    return [*lost_or_changed(database, people), *inconsistencies(database)]


def lost_or_changed(database: Database, people: list[Client]) -> Iterator[str]:
    """Yield acknowledged rankings that are missing, doubled or changed, and undone ones."""
    tasks = {task.token: task for task in read_tasks(database)}
    placed: dict[int, dict[int, int]] = {}
    for ranking, response, rank in database.rows(
        "SELECT ranking_id, response_id, rank FROM labelapp_placement"
    ):
        placed.setdefault(ranking, {})[response] = rank
    stored: dict[tuple[int, int], list[int]] = {}
    for ranking, prompt, member in database.rows(
        "SELECT id, prompt_id, member_id FROM labelapp_ranking WHERE is_current"
    ):
        stored.setdefault((prompt, member), []).append(ranking)
    for person in people:
        for token, ranks in person.stored.items():
            task = tasks[token]
            found = stored.get((task.prompt, task.member), [])
            if len(found) != 1:
                yield f"an acknowledged ranking is stored {len(found)} times"
            elif [placed[found[0]][pk] for pk in task.order] != dense(list(ranks.values())):
                yield "an acknowledged ranking is not as it was sent"
            elif not task.submitted:
                yield "the task of an acknowledged ranking is still open"
        for token in person.undone:
            task = tasks[token]
            if stored.get((task.prompt, task.member)) or task.submitted:
                yield "a ranking that was undone is still stored"


def read_tasks(database: Database) -> list[Task]:
    rows = database.rows(
        'SELECT id, prompt_id, member_id, token, slot, "order", submitted_at IS NOT NULL '
        "FROM labelapp_assignment"
    )
    return [
        Task(
            pk=pk,
            prompt=prompt,
            member=member,
            token=str(uuid.UUID(str(token))),
            slot=slot,
            order=order if isinstance(order, list) else json.loads(order),
            submitted=bool(submitted),
        )
        for pk, prompt, member, token, slot, order, submitted in rows
    ]


def dense(ranks: list[int]) -> list[int]:
    """Return ranks without gaps: 1, 1, 4 becomes 1, 1, 2."""
    return [sorted(set(ranks)).index(rank) + 1 for rank in ranks]


# Each query returns a row for each prompt, member or ranking with the fault.
CONSISTENCY_QUERIES = {
    "a prompt has more rankings than it wants": """
        SELECT p.id FROM labelapp_prompt p JOIN labelapp_ranking r ON r.prompt_id = p.id
        WHERE r.is_current AND NOT r.surplus AND r.origin = 'here'
        GROUP BY p.id, p.rankings_wanted HAVING count(*) > p.rankings_wanted""",
    "the taken and needed slots of a prompt do not add up to the wanted ones": """
        SELECT p.id FROM labelapp_prompt p
        LEFT JOIN labelapp_assignment a ON a.prompt_id = p.id AND a.slot IS NOT NULL
        GROUP BY p.id, p.rankings_wanted, p.rankings_needed
        HAVING count(a.id) + p.rankings_needed <> p.rankings_wanted""",
    "a ranking is marked as surplus although it has a slot, or the reverse": """
        SELECT r.id FROM labelapp_ranking r JOIN labelapp_assignment a
        ON a.prompt_id = r.prompt_id AND a.member_id = r.member_id
        WHERE r.is_current AND r.surplus <> (a.slot IS NULL)""",
    "a labeller has two current rankings of a prompt": """
        SELECT prompt_id FROM labelapp_ranking WHERE is_current
        GROUP BY prompt_id, member_id HAVING count(*) > 1""",
    "the count of a labeller differs from the number of submitted tasks": """
        SELECT m.id FROM labelapp_member m LEFT JOIN labelapp_assignment a
        ON a.member_id = m.id AND a.submitted_at IS NOT NULL
        GROUP BY m.id, m.ranked HAVING count(a.id) <> m.ranked""",
    "a submitted task has no current ranking": """
        SELECT a.id FROM labelapp_assignment a WHERE a.submitted_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM labelapp_ranking r WHERE r.prompt_id = a.prompt_id
        AND r.member_id = a.member_id AND r.is_current)""",
    "a ranking is incomplete": """
        SELECT r.id FROM labelapp_ranking r LEFT JOIN labelapp_placement p ON p.ranking_id = r.id
        GROUP BY r.id HAVING count(p.id) <> 6""",
}


def inconsistencies(database: Database) -> Iterator[str]:
    for fault, statement in CONSISTENCY_QUERIES.items():
        if rows := database.rows(statement):
            yield f"{fault} ({len(rows)} times)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--wanted", type=int, default=8, help="rankings wanted per prompt")
    add_server_option(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = ""
        if options.database == "postgresql":
            url = new_database(embedded_postgresql(folder), "storm")
        with Installation(folder, url, options.server) as installation:
            result = storm(
                installation,
                clients=options.clients,
                seconds=options.seconds,
                prompts=options.prompts,
                wanted=options.wanted,
            )
    print(f"{options.clients} clients for {options.seconds:.0f} s on {options.database}")
    for event, count in sorted(result.counts.items()):
        print(f"  {count:6,} {event}")
    for checked in (
        "every acknowledged ranking is stored once, as it was sent, unless it was undone",
        "no labeller was shown a prompt twice",
        *(f"never: {fault}" for fault in CONSISTENCY_QUERIES),
    ):
        print(f"  checked: {checked}")
    for fault in result.faults[:20]:
        print(f"FAULT: {fault}")
    if result.faults:
        sys.exit(f"{len(result.faults)} faults")
    print("no faults")


if __name__ == "__main__":
    main()
