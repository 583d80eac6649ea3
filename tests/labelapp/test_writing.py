"""Writing on SQLite: one at a time, in the order in which they came."""

import threading
import time

import pytest
from django.db import OperationalError, connection, connections, transaction

from labelapp.models import Project
from labelapp.writing import LINE, writing


@pytest.mark.django_db(transaction=True)
def test_threads_that_write_do_so_one_at_a_time_and_nothing_is_lost(project: Project) -> None:
    def write() -> None:
        for _ in range(5):
            with writing():
                locked = Project.objects.select_for_update().get(pk=project.pk)
                locked.lease_minutes += 1
                locked.save()
        connections.close_all()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = project.lease_minutes
    project.refresh_from_db()
    assert project.lease_minutes == before + 20


@pytest.mark.django_db(transaction=True)
def test_a_failure_takes_back_what_was_written_and_frees_the_line(project: Project) -> None:
    def fail() -> None:
        with writing(), writing():  # one within another, as when a submit also lends
            Project.objects.update(name="Attic")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    project.refresh_from_db()
    assert project.name == "Kitchen"
    free = threading.Thread(target=lambda: (LINE.acquire(timeout=5), LINE.release()))
    free.start()
    free.join()
    assert not connection.in_atomic_block


@pytest.mark.django_db(transaction=True)
def test_who_is_in_a_transaction_already_does_not_wait_in_line(project: Project) -> None:
    started, failures = threading.Event(), []

    def write() -> None:
        try:
            started.set()
            with writing():
                Project.objects.update(name="Attic")
        except OperationalError as error:
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=write)
    with transaction.atomic():
        Project.objects.update(lease_minutes=5)
        thread.start()
        started.wait()
        time.sleep(0.2)  # now it stands in line, for us
        before = time.monotonic()
        with writing():
            Project.objects.update(lease_minutes=6)
        waited = time.monotonic() - before
    thread.join()
    assert failures == []
    assert waited < 5
