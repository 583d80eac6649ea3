"""Many labellers at once to whom everything happens that can, and what the database says after it.

    .venv/bin/python benchmarks/storm.py --clients 50 --seconds 60 --database sqlite|postgresql

Each client is a signed-in labeller with its own session, against `manage.py serve`. At random it
submits a form twice at once, drops the connection after sending and sends the same form again,
lets its lease run out and submits late, skips, undoes, keeps a draft, fetches the next task ahead.
In the middle the server and all its processes are killed with kill -9, and started again. Whoever
got no answer sends the same form with the same key until there is one.

Then, from the database: every acknowledged ranking stands once, as its client sent it last, unless
the client undid it; no prompt has more rankings than it wants but for those marked surplus; slots
and counts agree; and no labeller was shown a prompt twice. Ends with status 1 where something is
wrong. The suite runs a short one: tests/labelapp/labelling/test_storm.py.
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
GRACE = 60.0  # seconds in which a form must have got its answer
# How often each thing happens, of all tasks.
SLEEPS, ALIVE, DRAFTS, AHEAD, SKIPS, UNDOES = 0.08, 0.05, 0.1, 0.4, 0.08, 0.08
TWICE, DROPPED = 0.2, 0.15  # of all forms


class Page(NamedTuple):
    """A task as a client sees it."""

    token: str
    key: str
    letters: str
    prompt: str


def read_page(answer: Answer) -> Page | None:
    """The task in an answer; None where there is none."""
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
    """One labeller's browser, and a memory of what the server has said."""

    def __init__(self, installation: Installation, session: str, seed: int) -> None:
        self.installation = installation
        self.session = session
        self.rng = random.Random(seed)
        self.over = threading.Event()
        self.connection = Connection(installation.port, session)
        self.shown: dict[str, str] = {}  # prompt -> the task in which it was shown
        self.stored: dict[str, dict[str, int]] = {}  # task -> the ranks that were acknowledged
        self.undone: set[str] = set()  # tasks whose rankings were taken back
        self.skipped: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []

    def work(self) -> None:
        page = self.look(self.insist("GET", URL))
        while not self.over.is_set():
            if page is None:
                time.sleep(0.2)
                page = self.look(self.insist("GET", URL))
                self.counts["nothing waited"] += page is None
            else:
                page = self.do_task(page)

    def do_task(self, page: Page) -> Page | None:
        """Rank or skip a task, in one of the ways in which that happens; the next one."""
        if self.happens(SLEEPS):
            self.sleep(page)
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

    def sleep(self, page: Page) -> None:
        """As if the labeller had left the page open for longer than the lease."""
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
        """What was done last is taken back. Sent until it is answered, and never left behind."""
        answer = self.insist("POST", f"{URL}undo/", {"undo": page.token})
        if self.stored.pop(page.token, None):
            self.undone.add(page.token)
        self.skipped.discard(page.token)
        self.counts["undone"] += 1
        return self.look(answer)

    def send(self, path: str, form: dict[str, object]) -> Answer:
        """Send a form as people and networks do: once, twice at once, or with the answer lost."""
        fate = self.rng.random()
        try:
            if fate < TWICE:
                self.counts["sent twice at once"] += 1
                return self.twice(path, form)
            if fate < TWICE + DROPPED:
                self.counts["connections dropped"] += 1
                self.connection.send("POST", path, form)
                self.connection.drop()
                if self.happens(0.5):
                    self.look(self.insist("GET", URL))
        except OSError:
            self.counts["answers lost"] += 1
        return self.insist("POST", path, form)

    def twice(self, path: str, form: dict[str, object]) -> Answer:
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
        """The answer to a request, which is sent again, the same, until there is one."""
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
        """What the labeller sees: never a prompt in two tasks, nor one that is done."""
        page = read_page(answer)
        if page is not None:
            if self.shown.setdefault(page.prompt, page.token) != page.token:
                self.faults.append(f"prompt {page.prompt} was shown in two tasks")
            if page.token in self.stored or page.token in self.skipped:
                self.faults.append(f"prompt {page.prompt} was shown when it was done")
        return page


class Storm(NamedTuple):
    """What happened, and what is wrong: nothing, if all is well."""

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
    """Let the clients work, kill the server half way, and look at what is in the database.

    On a slow machine for longer than `seconds`, until so many `rankings` are acknowledged.
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
        person.over.set()
    for thread in threads:
        thread.join()
    installation.stop()  # which ends what it is at
    counts = sum((person.counts for person in people), Counter({"servers killed": 1}))
    faults = [fault for person in people for fault in person.faults]
    database = installation.database()
    try:
        return Storm(counts, [*faults, *check(database, people)])
    finally:
        database.close()


def wait(people: list[Client], seconds: float, rankings: float) -> None:
    """For so many seconds, and until so many rankings are acknowledged, if that comes to pass."""
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
    except Exception as error:  # noqa: BLE001 - becomes part of the verdict
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
    """What is wrong in the database after what the clients have been told."""
    return [*broken_promises(database, people), *broken_sums(database)]


def broken_promises(database: Database, people: list[Client]) -> Iterator[str]:
    """Every acknowledged ranking stands once and as it was sent; what was undone stands no more."""
    tasks = {task.token: task for task in read_tasks(database)}
    placed: dict[int, dict[int, int]] = {}
    for ranking, response, rank in database.rows(
        "SELECT ranking_id, response_id, rank FROM labelapp_placement"
    ):
        placed.setdefault(ranking, {})[response] = rank
    standing: dict[tuple[int, int], list[int]] = {}
    for ranking, prompt, member in database.rows(
        "SELECT id, prompt_id, member_id FROM labelapp_ranking WHERE is_current"
    ):
        standing.setdefault((prompt, member), []).append(ranking)
    for person in people:
        for token, ranks in person.stored.items():
            task = tasks[token]
            found = standing.get((task.prompt, task.member), [])
            if len(found) != 1:
                yield f"an acknowledged ranking stands {len(found)} times"
            elif [placed[found[0]][pk] for pk in task.order] != dense(list(ranks.values())):
                yield "an acknowledged ranking is not as it was sent"
            elif not task.submitted:
                yield "the task of an acknowledged ranking is still open"
        for token in person.undone:
            task = tasks[token]
            if standing.get((task.prompt, task.member)) or task.submitted:
                yield "a ranking that was undone stands"


def read_tasks(database: Database) -> list[Task]:
    rows = database.rows(
        'SELECT id, prompt_id, member_id, token, slot, "order", submitted_at IS NOT NULL '
        "FROM labelapp_assignment"
    )
    return [
        Task(
            *(pk, prompt, member, str(uuid.UUID(str(token))), slot),
            order=order if isinstance(order, list) else json.loads(order),
            submitted=bool(submitted),
        )
        for pk, prompt, member, token, slot, order, submitted in rows
    ]


def dense(ranks: list[int]) -> list[int]:
    """1, 1, 4 becomes 1, 1, 2."""
    return [sorted(set(ranks)).index(rank) + 1 for rank in ranks]


# Each gives a row for each prompt, member or ranking with which something is wrong.
SUMS = {
    "a prompt has more rankings than it wants": """
        SELECT p.id FROM labelapp_prompt p JOIN labelapp_ranking r ON r.prompt_id = p.id
        WHERE r.is_current AND NOT r.surplus AND r.origin = 'here'
        GROUP BY p.id, p.rankings_wanted HAVING count(*) > p.rankings_wanted""",
    "a prompt's slots that are taken and needed are not those that it wants": """
        SELECT p.id FROM labelapp_prompt p
        LEFT JOIN labelapp_assignment a ON a.prompt_id = p.id AND a.slot IS NOT NULL
        GROUP BY p.id, p.rankings_wanted, p.rankings_needed
        HAVING count(a.id) + p.rankings_needed <> p.rankings_wanted""",
    "a ranking without a slot is not marked as surplus, or one with a slot is": """
        SELECT r.id FROM labelapp_ranking r JOIN labelapp_assignment a
        ON a.prompt_id = r.prompt_id AND a.member_id = r.member_id
        WHERE r.is_current AND r.surplus <> (a.slot IS NULL)""",
    "a labeller has two current rankings of a prompt": """
        SELECT prompt_id FROM labelapp_ranking WHERE is_current
        GROUP BY prompt_id, member_id HAVING count(*) > 1""",
    "a labeller's count is not the number of tasks that were submitted": """
        SELECT m.id FROM labelapp_member m LEFT JOIN labelapp_assignment a
        ON a.member_id = m.id AND a.submitted_at IS NOT NULL
        GROUP BY m.id, m.ranked HAVING count(a.id) <> m.ranked""",
    "a submitted task has no current ranking": """
        SELECT a.id FROM labelapp_assignment a WHERE a.submitted_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM labelapp_ranking r WHERE r.prompt_id = a.prompt_id
        AND r.member_id = a.member_id AND r.is_current)""",
    "a ranking is not whole": """
        SELECT r.id FROM labelapp_ranking r LEFT JOIN labelapp_placement p ON p.ranking_id = r.id
        GROUP BY r.id HAVING count(p.id) <> 6""",
}


def broken_sums(database: Database) -> Iterator[str]:
    for what, statement in SUMS.items():
        if rows := database.rows(statement):
            yield f"{what} ({len(rows)} times)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--wanted", type=int, default=8, help="rankings wanted of each prompt")
    add_server_option(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = ""
        if options.database == "postgresql":
            url = new_database(embedded_postgresql(folder), "storm")
        with Installation(folder, url, options.server) as installation:
            came_out = storm(
                installation,
                clients=options.clients,
                seconds=options.seconds,
                prompts=options.prompts,
                wanted=options.wanted,
            )
    print(f"{options.clients} clients for {options.seconds:.0f} s on {options.database}")
    for what, count in sorted(came_out.counts.items()):
        print(f"  {count:6,} {what}")
    promises = ["every acknowledged ranking stands once, as it was sent, unless it was undone"]
    for promise in [
        *promises,
        "no labeller was shown a prompt twice",
        *(f"never: {s}" for s in SUMS),
    ]:
        print(f"  checked: {promise}")
    for fault in came_out.faults[:20]:
        print(f"WRONG: {fault}")
    if came_out.faults:
        sys.exit(f"{len(came_out.faults)} things are wrong")
    print("nothing is wrong")


if __name__ == "__main__":
    main()
