"""The results of a measurement, as they are stored and shown."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from labelapp.rendering.heat_map import shade


@dataclass(frozen=True)
class Figure:
    """A figure with its uncertainty, or with the reason why it has no value."""

    name: str
    unit: str  # of `count`
    count: int = 0
    prompts: int = 0  # that contribute to the figure and its interval
    value: float | None = None
    low: float | None = None  # 95 % interval; None if too few prompts contribute
    high: float | None = None
    chance: float | None = None  # expected value for labellers who answer at random
    why_not: str = ""  # why there is no value or, with a value, no interval


# The figures that a stored measurement lacks because an earlier version of Podium made it.
NOT_MEASURED = Figure("", "comparisons", why_not="Measure again to see it.")


# By kind of alert: where the labeller's page shows the rankings behind it, and the link's words.
EVIDENCE = {
    "speed": ("?sort=fastest#rankings", "See their fastest rankings"),
    "place": ("?sort=newest#rankings", "See the order shown beside their ranks"),
    "ties": ("?sort=ties#rankings", "See their rankings with most ties"),
    "length": ("?sort=newest#rankings", "See how often they preferred the longer response"),
    "chance": ("#rankings", "See the rankings that others disagree with most"),
    "gold": ("#gold", "See their rankings of gold prompts"),
    "consistency": ("#consistency", "See their repeated rankings"),
}


@dataclass(frozen=True)
class Alert:
    """A hint, not a verdict, that a labeller's rankings stand out."""

    kind: str
    badge: str  # two or three words
    text: str  # what the labeller does, and what the others do

    @property
    def evidence(self) -> tuple[str, str]:
        """Return the end of the address of the labeller's page, and the words of a link there."""
        return EVIDENCE.get(self.kind, ("#rankings", "See their rankings"))


@dataclass(frozen=True)
class LabellerFigures:
    """The figures of one labeller."""

    member: int | None  # None: all labellers together
    rankings: int
    median_seconds: float | None  # working time per ranking, of those that were timed
    agreement: Figure  # with the others
    ties: Figure  # share of tied pairs
    first: Figure  # share of pairs ranked apart whose better response was shown first
    longer: Figure  # share of pairs ranked apart whose better response is longer
    consistency: Figure = NOT_MEASURED  # agreement with themselves on repeated prompts
    gold: Figure = NOT_MEASURED  # agreement with gold rankings by others
    alerts: Sequence[Alert] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON, in which the alerts keep their first name, `alarms`."""
        values = asdict(self)
        values["alarms"] = values.pop("alerts")
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        figures = {name: Figure(**value) for name, value in values.items() if type(value) is dict}
        others = {name: value for name, value in values.items() if name != "alarms"}
        alerts = tuple(Alert(**alert) for alert in values.get("alarms", ()))
        return cls(**{**others, **figures, "alerts": alerts})


@dataclass(frozen=True)
class PairAgreement:
    """Hold how often two labellers order a pair of responses alike that both ranked apart."""

    first: int  # members
    second: int
    share: float
    low: float | None  # 95 % interval; None with too few prompts
    high: float | None
    comparisons: int

    @property
    def shade(self) -> int:
        """Return the shade of the share in a heat map; chance level is the lowest."""
        return shade(self.share, 0.5)


@dataclass(frozen=True)
class Agreement:
    """The agreement of a project's labellers, and the counts it was measured on."""

    rankings: int
    labellers: int
    prompts: int
    shared_prompts: int  # ranked by two labellers or more
    figures: Sequence[Figure]
    people: Sequence[LabellerFigures]  # by number of rankings, most first; all together at the end
    pairs: Sequence[PairAgreement] = ()

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "people": [one.to_json() for one in self.people]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        figures = [Figure(**figure) for figure in values["figures"]]
        people = [LabellerFigures.from_json(one) for one in values["people"]]
        pairs = [PairAgreement(**pair) for pair in values.get("pairs", ())]
        return cls(**{**values, "figures": figures, "people": people, "pairs": pairs})

    def figures_of(self, member: int) -> LabellerFigures | None:
        """Return the figures of one labeller, if they had any."""
        return next((one for one in self.people if one.member == member), None)

    def named(self) -> dict[str, Figure]:
        return {figure.name: figure for figure in self.figures}
