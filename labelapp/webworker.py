"""A process of the web server: it takes a connection when it has nothing to do.

gunicorn's own threaded worker takes as many as come, and keeps each for as long as its browser goes
on asking. Under load one process then has most of them while a core stands idle, and requests that
compute side by side in one process wait for each other at every query, with SQLite's only write
lock in their hands: eight labellers got half as many tasks (benchmarks/web.py).
"""

import gc
import select
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

PATIENCE = 0.25
"""Seconds after which what is in hand is slow, or a browser has opened a connection in advance and
says nothing yet: it keeps no other connection from being taken."""
CLOSERS = 16
WARM = 50
"""Requests after which a process has loaded what it needs."""


class Worker(ThreadWorker):
    warm = False

    def init_process(self) -> None:
        self.in_hand: dict[TConn, float] = {}  # since when
        self.closing: set[Future[None]] = set()
        self.closers = ThreadPoolExecutor(CLOSERS)
        super().init_process()

    def accept(self, listener: socket.socket) -> None:
        if self._accepting:  # not where a request has come in the same moment
            super().accept(listener)

    def enqueue_req(self, conn: TConn) -> None:
        self.in_hand[conn] = time.monotonic()
        super().enqueue_req(conn)
        self.set_accept_enabled(True)

    def finish_request(self, conn: TConn, fs: "Future[Any]") -> None:
        self.in_hand.pop(conn, None)
        conn.close = partial(self.close_apart, conn)
        super().finish_request(conn, fs)
        if not self.warm and self.nr >= WARM:
            self.warm = True
            gc.collect()
            gc.freeze()  # what is loaded stays; looking through it takes long
        self.set_accept_enabled(True)

    def close_apart(self, conn: TConn, graceful: bool = False) -> None:
        """Closing waits for the browser to close its end; nobody else waits for that."""
        del conn.close
        future = self.closers.submit(conn.close, graceful)
        self.closing.add(future)
        future.add_done_callback(self.closing.discard)

    def set_accept_enabled(self, enabled: bool) -> None:
        room = self.nr_conns + len(self.closing) < self.worker_connections
        slow = time.monotonic() - PATIENCE
        idle = len(self.in_hand) < self.cfg.threads and all(
            since < slow for since in self.in_hand.values()
        )
        super().set_accept_enabled(enabled and self.alive and room and idle)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        super().wait_for_and_dispatch_events(min(timeout, PATIENCE))

    def is_parent_alive(self) -> bool:
        if super().is_parent_alive():
            return True
        self.alive = False  # or it would go on taking connections while it ends
        return False

    @property
    def max_keepalived(self) -> int:
        """No connection is kept while another one waits to be taken: that one comes next."""
        waiting, _, _ = select.select(self.sockets, [], [], 0)
        return 0 if waiting else self.most_kept

    @max_keepalived.setter
    def max_keepalived(self, most: int) -> None:
        self.most_kept = most
