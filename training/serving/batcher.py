"""Put the responses of many requests together in batches, in a thread that computes."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.serving.items import Encoded, Scored

SMOOTHING = 0.5
"""Weight of the last batch in the rate of responses."""


class FullError(Exception):
    """Raised where too many responses wait; `seconds` is when to ask again."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"too many responses wait; ask again in {seconds} seconds")


class StoppingError(Exception):
    """Raised for responses that come while the service stops."""


@dataclass(slots=True)
class Waiting:
    """The responses of one request, and what they will be answered with."""

    encoded: Sequence[Encoded]
    answer: asyncio.Future[list[Scored]]
    loop: asyncio.AbstractEventLoop


class Batcher:
    """Compute what waits in one thread, all requests together, and answer each."""

    def __init__(
        self,
        compute: Callable[[Sequence[Encoded]], list[Scored]],
        *,
        most_tokens: int,
        most_waiting: int,
        longest_wait: float = math.inf,
        on_batch: Callable[[int, float], None] = lambda responses, seconds: None,
    ) -> None:
        """Take the function that computes rewards, and the limits.

        Args:
            most_tokens: tokens after which a batch takes no further request.
            most_waiting: responses that may wait.
            longest_wait: seconds that a request may have to wait, as far as is known.
        """
        self.compute = compute
        self.most_tokens = most_tokens
        self.most_waiting = most_waiting
        self.longest_wait = longest_wait
        self.on_batch = on_batch
        self.waiting = 0
        """Responses that wait or are being computed."""
        self._rate = math.inf
        """Responses per second; without a limit until the first have been computed."""
        self._queue: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="rewards", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Compute what waits, and end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    async def rewards(self, encoded: Sequence[Encoded]) -> list[Scored]:
        """Return the rewards of responses. Raises FullError if too many wait."""
        loop = asyncio.get_running_loop()
        one = Waiting(encoded, loop.create_future(), loop)
        with self._changed:
            if self._stopping or not self.is_running:
                raise StoppingError("the service is stopping")
            wait = self.waiting / self._rate
            many = self.waiting + len(encoded) > self.most_waiting
            if self.waiting and (many or wait > self.longest_wait):
                raise FullError(max(1, math.ceil(wait)))
            self.waiting += len(encoded)
            self._queue.append(one)
            self._changed.notify_all()
        return await one.answer

    def _run(self) -> None:
        while taken := self._take():
            started = time.monotonic()
            self._answer(taken)
            count = sum(len(one.encoded) for one in taken)
            computed = sum(each.valid for one in taken for each in one.encoded)
            seconds = time.monotonic() - started
            with self._changed:
                self.waiting -= count
                if computed:  # others take no time, and say nothing of the rate
                    last = computed / max(seconds, 1e-3)
                    known = math.isfinite(self._rate)
                    self._rate = self._rate + SMOOTHING * (last - self._rate) if known else last
            self.on_batch(count, seconds)

    def _take(self) -> list[Waiting]:
        """Wait for requests, and return those to compute now; none once the service stops."""
        with self._changed:
            while not self._queue and not self._stopping:
                self._changed.wait()
            taken: list[Waiting] = []
            tokens = 0
            while self._queue and tokens < self.most_tokens:
                taken.append(self._queue.popleft())
                tokens += sum(each.size for each in taken[-1].encoded)
            return taken

    def _answer(self, taken: list[Waiting]) -> None:
        wanted = [one for one in taken if not one.answer.cancelled()]  # the client has gone
        try:
            scored = iter(self.compute([each for one in wanted for each in one.encoded]))
        except Exception as error:  # noqa: BLE001 - the others go on, whatever it is
            if len(wanted) == 1:
                self._give(wanted[0], error)
            else:  # one of them may be to blame
                for one in wanted:
                    self._answer([one])
            return
        for one in wanted:
            self._give(one, [next(scored) for _ in one.encoded])

    def _give(self, one: Waiting, result: list[Scored] | Exception) -> None:
        def give() -> None:
            if one.answer.cancelled():
                return
            if isinstance(result, Exception):
                one.answer.set_exception(result)
            else:
                one.answer.set_result(result)

        one.loop.call_soon_threadsafe(give)
