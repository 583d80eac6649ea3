"""Assigning while others write: no deadlocks, and no waits that are longer than needed."""

import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connection, connections, transaction

from labelapp.importing.batches import BATCH
from labelapp.importing.importer import import_lines
from labelapp.labelling import assignments
from labelapp.models import Assignment, Member, Project, Prompt
from tests.conftest import AddPrompt
from tests.labelapp.labelling.acting import expire, skip, task
from tests.waiting import wait_until
from training.formats.ranking_file import FileResponse, Line
from training.rankings import prompt_hash


@pytest.fixture
def postgresql_only(on_postgresql: bool) -> None:
    if not on_postgresql:
        pytest.skip("SQLite has one writer, which waits for nobody")


def at_the_same_time(job: Callable[[], object]) -> tuple[threading.Thread, list[Exception]]:
    """Begin the job in a thread with a connection of its own; yield the list of its failures."""
    failures: list[Exception] = []

    def run() -> None:
        try:
            job()
        except Exception as error:  # noqa: BLE001 - handed to the test
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failures


def waits_for_us() -> bool:
    """Return whether another connection waits for a lock that this one holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted"
            " AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("postgresql_only")
def test_a_claim_waits_for_nobody_who_has_a_prompt_locked(
    add_prompt: AddPrompt, ann: Member, bob: Member
) -> None:
    lapsed, other = add_prompt("One?", priority=1), add_prompt("Two?")
    expire(task(bob))
    with transaction.atomic():
        Prompt.objects.filter(pk=lapsed.pk).update(came_back=False)
        thread, failures = at_the_same_time(lambda: assignments.current_assignment(ann))
        thread.join(timeout=60)  # it ends at once where nobody waits
        waits = thread.is_alive()
    thread.join()
    assert (waits, failures) == (False, [])
    assert Assignment.objects.get(member=ann).prompt == other


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("postgresql_only")
def test_an_import_and_a_skip_of_a_prompt_that_it_names_do_not_wait_for_each_other(
    project: Project, add_prompt: AddPrompt, ann: Member
) -> None:
    assigned = add_prompt("Assigned?", priority=-5)
    Prompt.objects.filter(pk=assigned.pk).update(
        content_hash=prompt_hash(assigned.messages), external_id=None
    )
    held = task(ann)
    skipping: list[tuple[threading.Thread, list[Exception]]] = []

    def lines() -> Iterator[Line]:
        responses = [FileResponse(str(i), f"text {i}") for i in range(4)]
        yield Line(1, assigned.messages, responses, external_id="named")
        for number in range(2, BATCH + 1):
            yield Line(number, [{"role": "user", "content": f"New {number}?"}], responses)
        # The first lines are written: the prompt is locked until the import ends.
        thread, failures = at_the_same_time(lambda: skip(assignment=held, reason="other"))
        skipping.append((thread, failures))
        wait_until(lambda: waits_for_us() or not thread.is_alive())

    import_lines(project, lines(), report=print)
    thread, failures = skipping[0]
    thread.join()
    assert failures == []
    held.refresh_from_db()
    assert held.skipped_at is not None
    ann.refresh_from_db()
    assert (ann.queue_priority, ann.queue_prompt) == (None, None)
