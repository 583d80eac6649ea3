"""The results of a measurement, as they are stored and shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_noop, ngettext
from django.utils.translation import gettext_lazy as _

from labelapp.rendering.heat_map import shade
from labelapp.templatetags.figures import decimal, duration, percent, thousands

UNITS: dict[str, Callable[[int], str]] = {
    "comparisons": lambda n: ngettext("%(count)s comparison", "%(count)s comparisons", n),
    "pairs of rankings": lambda n: ngettext(
        "%(count)s pair of rankings", "%(count)s pairs of rankings", n
    ),
    "responses": lambda n: ngettext("%(count)s response", "%(count)s responses", n),
    "prompts": lambda n: ngettext("%(count)s prompt", "%(count)s prompts", n),
}


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
    why_not: str = ""  # in English: why there is no value or, with a value, no interval

    @property
    def reason(self) -> str:
        """Return `why_not` in the reader's language."""
        return gettext(self.why_not) if self.why_not else ""

    @property
    def counted(self) -> str:
        """Return the count with its unit in the reader's language."""
        written = UNITS.get(self.unit, UNITS["comparisons"])(self.count)
        return written % {"count": thousands(self.count)}


# The figures that a stored measurement lacks because an earlier version of Podium made it.
NOT_MEASURED = Figure("", "comparisons", why_not=gettext_noop("Measure again to see it."))


# By kind of alert: where the labeller's page shows the rankings behind it, and the link's words.
EVIDENCE = {
    "speed": ("?sort=fastest#rankings", _("See their fastest rankings")),
    "place": ("?sort=newest#rankings", _("See the order shown beside their ranks")),
    "ties": ("?sort=ties#rankings", _("See their rankings with most ties")),
    "length": (
        "?sort=newest#rankings",
        _("See how often they preferred the longer response"),
    ),
    "chance": ("#rankings", _("See the rankings that others disagree with most")),
    "gold": ("#gold", _("See their rankings of gold prompts")),
    "consistency": ("#consistency", _("See their repeated rankings")),
}


# How the values of an alert are written: those that are not named here are shares.
WRITTEN: dict[str, Callable[[float], str]] = {
    "seconds": duration,
    "ratio": lambda number: decimal(number, 1 if number < 10 else 0),
    "rankings": thousands,
    "comparisons": thousands,
    "prompts": thousands,
}


@dataclass(frozen=True)
class Alert:
    """A hint, not a verdict, that a labeller's rankings stand out.

    The sentences are stored in English and without their values, so that each reader gets them in
    their own language.
    """

    kind: str
    badge: str  # two or three words
    text: str  # what the labeller does, and what the others do
    values: Mapping[str, float] = field(default_factory=dict)  # of the text, by name

    @property
    def title(self) -> str:
        """Return the badge in the reader's language."""
        return gettext(self.badge)

    @property
    def sentence(self) -> str:
        """Return the text in the reader's language."""
        if not self.values:  # an earlier version of Podium stored it in English
            return self.text
        written = {name: WRITTEN.get(name, whole_percent)(n) for name, n in self.values.items()}
        return gettext(self.text) % written

    @property
    def evidence(self) -> tuple[str, str | Promise]:
        """Return the end of the address of the labeller's page, and the words of a link there."""
        return EVIDENCE.get(self.kind, ("#rankings", _("See their rankings")))


# Prompts of a labeller that the rules need: of gold and repeated prompts fewer will do.
MIN_PROMPTS, MIN_CHECKED = 20, 10

# The figures that alerts of some kinds are raised by, on some of a labeller's prompts only.
MEASURED_ON = ("gold", "consistency")


def whole_percent(share: float) -> str:
    return percent(share, 0)


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

    def rankings_behind(self, alert: Alert) -> int:
        """Return the number of rankings that raised an alert."""
        if alert.kind in MEASURED_ON:
            figure: Figure = getattr(self, alert.kind)
            return figure.prompts
        return self.rankings

    def waiting(self) -> dict[str, int]:
        """Return by figure how many prompts its rules need, of those that have too few so far.

        Gold and repeated prompts count only where the labeller has ranked some.
        """
        needed = dict.fromkeys(("agreement", "ties", "first", "longer"), MIN_PROMPTS)
        needed |= {kind: MIN_CHECKED for kind in MEASURED_ON if getattr(self, kind).prompts}
        return {
            name: least for name, least in needed.items() if getattr(self, name).prompts < least
        }

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
class LabellerAgreement:
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
