"""Writing on SQLite: one at a time, in the order in which they came."""

import threading

import pytest
from django.db import connection, connections

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
