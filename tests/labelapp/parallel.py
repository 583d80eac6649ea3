"""Several jobs at the same time, as the requests of a server are."""

import threading
from collections.abc import Callable

from django.db import connections


def in_parallel(*jobs: Callable[[], object]) -> list[Exception]:
    """Run the jobs at the same time, each with a connection of its own; return their failures."""
    failures: list[Exception] = []
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], object]) -> None:
        try:
            start.wait()
            job()
        except Exception as error:  # noqa: BLE001 - handed to the test
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures
