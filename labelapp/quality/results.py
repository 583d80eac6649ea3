"""The results of a measurement, as the pages read them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Figure:
    """A figure with what is needed to judge it, or the reason why there is none."""

    name: str
    unit: str  # what `count` counts
    count: int = 0
    prompts: int = 0  # that have a part in it; the interval is over these
    value: float | None = None
    low: float | None = None  # 95 % interval; none where too few prompts have a part
    high: float | None = None
    chance: float | None = None  # what labellers who do not read come to
    why_not: str = ""  # why there is no value or, beside a value, no interval


# Of what was measured by a version of Podium that did not know the figure.
MEASURED_BEFORE = Figure("", "comparisons", why_not="Measure again to see it.")


@dataclass(frozen=True)
class Alarm:
    """What of a labeller's rankings stands out. A hint, and no verdict."""

    kind: str
    badge: str  # in two or three words
    text: str  # what was seen, beside what the others do


@dataclass(frozen=True)
class Person:
    """One labeller beside the others."""

    member: int | None  # None: all together
    rankings: int
    median_seconds: float | None  # at work on a ranking, of those that were timed
    agreement: Figure  # with the others
    ties: Figure  # of all pairs, those that are tied
    first: Figure  # of pairs ranked apart, those where the better one was shown before the other
    longer: Figure  # of pairs ranked apart, those where the better one is longer
    consistency: Figure = MEASURED_BEFORE  # with themselves, when a prompt came again
    gold: Figure = MEASURED_BEFORE  # with gold rankings by others
    alarms: Sequence[Alarm] = ()

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        figures = {name: Figure(**value) for name, value in found.items() if type(value) is dict}
        alarms = tuple(Alarm(**alarm) for alarm in found.get("alarms", ()))
        return cls(**{**found, **figures, "alarms": alarms})


@dataclass(frozen=True)
class Agreement:
    """A project's agreement, and what it was measured on."""

    rankings: int
    labellers: int
    prompts: int
    shared_prompts: int  # that two labellers or more have ranked
    figures: Sequence[Figure]
    people: Sequence[Person]  # those with the most rankings first; all together at the end

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        figures = [Figure(**figure) for figure in found["figures"]]
        people = [Person.from_json(person) for person in found["people"]]
        return cls(**{**found, "figures": figures, "people": people})

    def named(self) -> dict[str, Figure]:
        return {figure.name: figure for figure in self.figures}
