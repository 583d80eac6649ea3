"""A process of the web server: it takes a connection when it has nothing to do.

gunicorn's own threaded worker takes as many as come, and keeps each for as long as its browser goes
on asking. Under load one process then has most of them while a core stands idle, and requests that
compute side by side in one process wait for each other at every query, with SQLite's only write
lock in their hands: eight labellers got half as many tasks (benchmarks/web.py).
"""

import gc
import select
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

PATIENCE = 0.25
"""Seconds after which one more connection is taken: what is in hand is slow, or a browser has
opened it in advance and says nothing yet."""
CLOSERS = 16
WARM = 50
"""Requests after which a process has loaded what it needs."""


class Worker(ThreadWorker):
    in_hand = 0
    since = 0.0
    warm = False

    def init_process(self) -> None:
        self.closers = ThreadPoolExecutor(CLOSERS)
        super().init_process()

    def enqueue_req(self, conn: TConn) -> None:
        super().enqueue_req(conn)
        self.in_hand += 1
        self.since = time.monotonic()
        self.set_accept_enabled(True)

    def finish_request(self, conn: TConn, fs: "Future[Any]") -> None:
        self.in_hand -= 1
        # Closing waits for the browser to close its end; nobody else waits for that.
        conn.close = partial(self.closers.submit, TConn.close, conn)
        super().finish_request(conn, fs)
        if not self.warm and self.nr >= WARM:
            self.warm = True
            gc.collect()
            gc.freeze()  # what is loaded stays; looking through it took 60 ms of some requests
        self.set_accept_enabled(True)

    def set_accept_enabled(self, enabled: bool) -> None:
        may = enabled and self.alive and self.nr_conns < self.worker_connections
        idle = not self.in_hand or time.monotonic() > self.since + PATIENCE
        super().set_accept_enabled(may and idle)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        super().wait_for_and_dispatch_events(min(timeout, PATIENCE))

    @property
    def max_keepalived(self) -> int:
        """No connection is kept while another one waits to be taken: that one comes next."""
        waiting, _, _ = select.select(self.sockets, [], [], 0)
        return 0 if waiting else self.most_kept

    @max_keepalived.setter
    def max_keepalived(self, most: int) -> None:
        self.most_kept = most
