"""Group examples so that each batch or process computes about as many tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heapreplace

from training.data.examples import Example


def shares(
    examples: Sequence[Example], size: Callable[[Sequence[Example]], int], count: int
) -> list[list[int]]:
    """Return the places of the examples for each of `count` processes, balanced by tokens.

    The longest one left goes to the process with the least (Graham 1969, SIAM Journal on Applied
    Mathematics 17 (2)). A share is empty where there are fewer examples than processes.
    """
    if count == 1:
        return [list(range(len(examples)))]
    sizes = [size([example]) for example in examples]
    found: list[list[int]] = [[] for _ in range(count)]
    loads = [(0, process) for process in range(count)]
    heapify(loads)
    for place in sorted(range(len(examples)), key=lambda i: -sizes[i]):
        load, process = loads[0]
        found[process].append(place)
        heapreplace(loads, (load + sizes[place], process))
    return found


def buckets(
    examples: Sequence[Example], size: Callable[[Sequence[Example]], int], budget: int
) -> Iterator[list[int]]:
    """Yield the places of examples of like length, as many at a time as fit `budget` tokens.

    Every example comes once; one that is larger than the budget comes alone.
    """
    bucket: list[int] = []
    for place in sorted(range(len(examples)), key=lambda i: -size([examples[i]])):
        wider = [*bucket, place]
        if bucket and size([examples[i] for i in wider]) > budget:
            yield bucket
            wider = [place]
        bucket = wider
    if bucket:
        yield bucket
