"""Writers in line: one at a time where the database has one writer, and an error for a busy one."""

import fcntl
import threading

import pytest
from django.db import OperationalError, connection, connections

from labelapp.db import writer
from labelapp.labelling import assignments
from labelapp.models import Member
from tests.conftest import AddPrompt


@pytest.mark.django_db(transaction=True)
def test_who_waits_for_too_long_is_told_that_the_database_is_busy(
    monkeypatch: pytest.MonkeyPatch, on_postgresql: bool
) -> None:
    if on_postgresql:
        pytest.skip("PostgreSQL has as many writers as there are")
    monkeypatch.setattr(writer, "WAIT_SECONDS", 0.01)
    failures: list[str] = []

    def wait() -> None:
        try:
            with writer.write():
                raise AssertionError("two writers at once")
        except OperationalError as error:
            failures.append(str(error))
        finally:
            connections.close_all()

    with writer.write():
        assert connection.in_atomic_block
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join()
    assert failures == ["database is locked"]


@pytest.mark.django_db(transaction=True)
def test_other_processes_wait_while_one_writes(on_postgresql: bool) -> None:
    if on_postgresql:
        pytest.skip("PostgreSQL has as many writers as there are")
    with open(f"{connection.settings_dict['NAME']}-turn", "ab") as other:
        with writer.write(), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.django_db(transaction=True)
def test_a_write_that_fails_lets_the_next_one_in(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()

    def fail() -> None:
        with writer.write():
            Member.objects.update(ranked=9)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert assignments.current_assignment(labeller) is not None
    labeller.refresh_from_db()
    assert labeller.ranked == 0
