"""Requests are computed together, refused when too many wait, and all answered at the end."""

import asyncio
import threading

import pytest

from tests.training.serving.asking import run
from training.serving.batcher import Batcher, FullError, StoppingError
from training.serving.items import Encoded, Scored


class Slow:
    """Rewards that are computed once they are let go; each is its place in the batch."""

    def __init__(self):
        self.go = threading.Event()
        self.began = threading.Event()
        self.batches = []

    async def release(self, task):
        self.go.set()
        await task

    def hold(self):
        self.go.clear()
        self.began.clear()

    def __call__(self, encoded):
        self.began.set()
        self.go.wait()
        self.batches.append(len(encoded))
        if any(each.problem == "broken" for each in encoded):
            raise ValueError("broken")
        return [Scored(float(place)) for place in range(len(encoded))]


@pytest.fixture
def slow():
    return Slow()


@pytest.fixture
def batcher(slow):
    batcher = Batcher(slow, most_tokens=100, most_waiting=6)
    batcher.start()
    yield batcher
    slow.go.set()
    batcher.stop()


async def begin(slow, batcher, count=1, problem=""):
    """Ask for rewards, and return the task once the first are being computed."""
    task = asyncio.ensure_future(batcher.rewards([Encoded(problem=problem)] * count))
    await asyncio.to_thread(slow.began.wait)
    return task


def rewards(scored):
    return [one.reward for one in scored]


def test_what_comes_meanwhile_is_computed_together(slow, batcher):
    async def ask():
        first = await begin(slow, batcher)
        others = [await begin(slow, batcher, count) for count in (2, 3)]
        await asyncio.sleep(0)
        slow.go.set()
        return [rewards(await task) for task in (first, *others)]

    assert run(ask()) == [[0.0], [0.0, 1.0], [2.0, 3.0, 4.0]]
    assert slow.batches == [1, 5]


def test_too_many_are_refused_with_the_time_to_ask_again(slow, batcher):
    async def ask():
        first = await begin(slow, batcher, 4)
        with pytest.raises(FullError) as full:
            await batcher.rewards([Encoded()] * 3)
        slow.go.set()
        await first
        return full.value

    error = run(ask())
    assert error.seconds >= 1
    assert str(error) == f"too many responses wait; ask again in {error.seconds} seconds"
    assert rewards(run(batcher.rewards([Encoded()] * 8)))[-1] == 7.0  # alone, any number


def test_a_request_that_fails_takes_no_other_with_it(slow, batcher):
    async def ask():
        first = await begin(slow, batcher)
        good = await begin(slow, batcher, 2)
        bad = await begin(slow, batcher, problem="broken")
        await asyncio.sleep(0)
        slow.go.set()
        await first
        with pytest.raises(ValueError, match="broken"):
            await bad
        return rewards(await good)

    assert run(ask()) == [0.0, 1.0]


def test_what_nobody_waits_for_is_not_computed(slow, batcher):
    async def ask():
        first = await begin(slow, batcher)
        gone = await begin(slow, batcher, 2)
        good = await begin(slow, batcher, 3)
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        slow.go.set()
        await first
        return rewards(await good)

    assert run(ask()) == [0.0, 1.0, 2.0]
    assert slow.batches == [1, 3]


def test_what_waits_is_computed_before_the_end(slow, batcher):
    async def ask():
        first = await begin(slow, batcher)
        second = await begin(slow, batcher, 2)
        await asyncio.sleep(0)
        stopping = asyncio.ensure_future(asyncio.to_thread(batcher.stop))
        slow.go.set()
        await stopping
        with pytest.raises(StoppingError):
            await batcher.rewards([Encoded()])
        return rewards(await first), rewards(await second)

    assert run(ask()) == ([0.0], [0.0, 1.0])
    assert not batcher.is_running


def test_a_batch_takes_requests_until_it_has_enough_tokens(slow):
    batcher = Batcher(slow, most_tokens=3, most_waiting=100)
    batcher.start()

    async def ask():
        tasks = [await begin(slow, batcher, count) for count in (1, 2, 2, 2)]
        await asyncio.sleep(0)
        slow.go.set()
        for task in tasks:
            await task

    run(ask())
    batcher.stop()
    assert slow.batches == [1, 4, 2]  # a response without tokens counts as one


def test_a_request_that_would_wait_too_long_is_refused(slow):
    batcher = Batcher(slow, most_tokens=100, most_waiting=100, longest_wait=1e-9)
    batcher.start()

    async def ask():
        await slow.release(await begin(slow, batcher))
        slow.hold()
        first = await begin(slow, batcher)
        with pytest.raises(FullError):
            await batcher.rewards([Encoded()])
        await slow.release(first)

    run(ask())
    batcher.stop()
