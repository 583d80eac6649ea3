"""Alarms: labellers whose rankings stand out so far that somebody should look at them.

Each rule compares a labeller with all the others, asks for a difference that matters and not only
for one that is sure, and corrects for how many labellers are looked at. docs/quality.md says how
often they err, and benchmarks/alarms.py measures it. An alarm is a hint and no verdict.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from math import exp, hypot, isfinite, log, sqrt
from statistics import NormalDist

import numpy as np

from labelapp.quality.bootstrap import Floats, Sums
from labelapp.quality.control_checks import CONSISTENCY, GOLD
from labelapp.quality.labeller_stats import Habits
from labelapp.quality.results import Alarm
from labelapp.templatetags.figures import duration, percent

FEWEST = 20  # prompts of a labeller, before anything is said of their habits
FEWEST_CHECKED = 10  # gold or repeated prompts, before anything is said of these
MISTAKEN = 0.05  # chance that a rule finds any honest labeller of a project by noise alone

FAST = 3.0  # spreads of the others' times, below them
SPREAD = 0.35  # of labellers' median times, in logarithms, that is to be expected: people differ
SPREAD_KNOWN_FROM = 5  # as many labellers' worth is that expectation
FASTER = 2.5  # times, at the least
PLACE_MARGIN = 0.1  # beyond one half, either way
SAME_ORDER = 0.25  # of what it comes to when the same order of places is given every time
OFTEN_ENOUGH = 10  # comparisons of two places, to look at the two
TIES, TIES_MARGIN = 0.8, 0.2
LENGTH, LENGTH_MARGIN = 0.75, 0.1
OTHERS_AGREE = 0.55  # what the others come to at the least, to measure a labeller by it
NEAR_CHANCE, FAR_FROM_OTHERS = 1 / 3, 0.75  # of the others' way above chance
NO_OTHERS = 0.6  # where nobody else can be compared: what a labeller should surely reach


@dataclass(frozen=True)
class Share:
    """Part of a whole, and its standard error from one prompt to another."""

    part: float
    whole: float
    error: float
    prompts: int

    @classmethod
    def of(cls, sums: Sums) -> "Share":
        part, whole = sums.total()[:2]
        return cls(float(part), float(whole), sums.error(), sums.prompts)

    @property
    def value(self) -> float:
        return self.part / self.whole

    def margin(self, z: float) -> float:
        """How far the value may be off: `z` errors, and more where these are of few prompts.

        Student's t by its expansion in the normal quantile (Abramowitz and Stegun, 26.7.5).
        """
        return self.error * (z + (z**3 + z) / (4 * (self.prompts - 1)))


def together(shares: Iterable[Share]) -> Share | None:
    """Several labellers' shares as one; None where there is none that has an error."""
    known = [share for share in shares if isfinite(share.error)]
    if not known:
        return None
    whole = sum(share.whole for share in known)
    variance = sum((share.error * share.whole) ** 2 for share in known)
    return Share(
        part=sum(share.part for share in known),
        whole=whole,
        error=sqrt(variance) / whole,
        prompts=sum(share.prompts for share in known),
    )


Raised = Iterator[tuple[int, Alarm]]
Found = defaultdict[int, list[Alarm]]


def raised(habits: Habits) -> dict[int, list[Alarm]]:
    """The alarms of each labeller who has one.

    Whose rankings follow places, ties or lengths, or nothing, are not among the others by whom a
    labeller is measured after that.
    """
    found: Found = defaultdict(list)
    left_out: set[int] = set()
    for rule in (places, ties, length, by_gold, by_themselves):
        left_out |= note(found, rule(habits, left_out))
    # Who agrees as if by chance draws all agreement down: without them, others may stand out.
    while more := note(found, chance(habits, left_out)):
        left_out |= more
    note(found, speed(habits))
    return dict(found)


def note(found: Found, alarms: Raised) -> set[int]:
    """Add alarms to those found. Gives whose they are, if that kind is new for them."""
    new = set()
    for member, alarm in list(alarms):
        if alarm.kind not in {before.kind for before in found[member]}:
            found[member].append(alarm)
            new.add(member)
    return new


def sure(labellers: int) -> float:
    """How many standard errors a difference takes, among so many labellers (Bonferroni)."""
    return NormalDist().inv_cdf(1 - MISTAKEN / max(1, labellers))


def shares(habits: Habits, name: str) -> dict[int, Share]:
    """A habit of each labeller."""
    return {
        member: Share.of(sums)
        for (member, habit), sums in habits.sums.items()
        if habit == name and member is not None and sums.rows
    }


def beside_others(
    habits: Habits, name: str, left_out: Container[int], fewest: int = FEWEST
) -> Iterator[tuple[int, Share, Share | None, float]]:
    """A habit of each labeller who has ranked enough, that of the others, and how sure to be."""
    everybody = shares(habits, name)
    own = {member: share for member, share in everybody.items() if share.prompts >= fewest}
    for member, share in own.items():
        others = together(one for m, one in everybody.items() if m != member and m not in left_out)
        yield member, share, others, sure(len(own))


# ---- speed ----


def speed(habits: Habits) -> Raised:
    """Who takes far less time for a ranking than the others, for as much text.

    By medians of logarithms, measured in the spread of the others' medians, so that one fast or
    slow labeller moves nothing (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993).
    """
    times = for_as_much_text(habits)
    medians = {member: float(np.median(log_times)) for member, log_times in times.items()}
    for member, median in medians.items():
        others = np.array([one for other, one in medians.items() if other != member])
        if len(others) < 2:
            return
        faster = float(np.median(others)) - median
        error = 1.2533 * deviation(times[member]) / sqrt(len(times[member]))  # of a median
        if faster > max(log(FASTER), FAST * hypot(spread(others), error)):
            yield (
                member,
                Alarm(
                    "speed",
                    "Very fast",
                    f"Takes {duration(float(np.median(habits.seconds[member])))} for a ranking, by "
                    f"the median of {len(times[member])}. For as much text, the others take "
                    f"{exp(faster):.1f} times as long.",
                ),
            )


def spread(medians: Floats) -> float:
    """Of labellers' medians: what they show, and what is expected as long as few show it."""
    shown, expected = len(medians) * deviation(medians) ** 2, SPREAD_KNOWN_FROM * SPREAD**2
    return sqrt((shown + expected) / (len(medians) + SPREAD_KNOWN_FROM))


def for_as_much_text(habits: Habits) -> dict[int, Floats]:
    """Logarithms of the seconds of each labeller's rankings, less what their lengths account for.

    By one slope for all, within labellers: between them, who reads long texts may be a fast reader.
    """
    seconds = {
        member: np.log(np.maximum(times, 0.1))
        for member, times in habits.seconds.items()
        if len(times) >= FEWEST
    }
    lengths = {member: np.log(np.maximum(habits.characters[member], 1.0)) for member in seconds}
    centred = [
        (times - times.mean(), lengths[m] - lengths[m].mean()) for m, times in seconds.items()
    ]
    varied = sum(float(length @ length) for _, length in centred)
    slope = sum(float(times @ length) for times, length in centred) / varied if varied else 0.0
    slope = min(1.0, max(0.0, slope))
    return {member: times - slope * lengths[member] for member, times in seconds.items()}


def deviation(values: Floats) -> float:
    """The median absolute deviation, as a standard deviation of normal values."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


# ---- places ----


def places(habits: Habits, left_out: Container[int]) -> Raised:
    """Who prefers what was shown first, or last, or gives the same order of places every time."""
    for member, share, others, z in beside_others(habits, "first", left_out):
        same = same_order(habits.by_place[member])
        if abs(share.value - 0.5) > PLACE_MARGIN + share.margin(z):
            yield member, goes_by_place(share, others)
        elif same > SAME_ORDER:
            yield (
                member,
                Alarm(
                    "place",
                    "The same order of places",
                    "Gives the responses nearly the same order of places again and again, whatever "
                    f"stands there: places decide {percent(same, 0)} of what they could, over "
                    f"{share.prompts} prompts. Responses are shuffled, so that 0 % are to be "
                    "expected.",
                ),
            )


def goes_by_place(own: Share, others: Share | None) -> Alarm:
    first = own.value > 0.5
    where = "first" if first else "last"
    value = own.value if first else 1 - own.value
    said = ""
    if others is not None:
        said = f" The others do in {percent(others.value if first else 1 - others.value, 0)}."
    return Alarm(
        "place",
        f"Prefers what came {where}",
        f"Prefers what was shown {where} in {percent(value, 0)} of {own.whole:.0f} comparisons. "
        f"Responses are shuffled, so that 50 % are to be expected.{said}",
    )


def same_order(won_VV: Floats) -> float:
    """How far places decide: 1 where one of each two always wins, 0 on average where none does.

    The mean over comparisons of (2 s - 1)^2, where s is how often one of two places wins, less what
    it comes to by chance, 1/n.
    """
    first, second = np.triu_indices(len(won_VV), k=1)
    times = won_VV[first, second] + won_VV[second, first]
    enough = times >= OFTEN_ENOUGH
    if not enough.any():
        return 0.0
    times, lead = times[enough], (won_VV[first, second] - won_VV[second, first])[enough]
    squares = (lead / times) ** 2
    unbiased = (squares * times - 1) / (times - 1)
    return float(unbiased @ times / times.sum())


# ---- ties and length ----


def ties(habits: Habits, left_out: Container[int]) -> Raised:
    """Who ties nearly everything, which the others do not."""
    for member, share, others, z in beside_others(habits, "ties", left_out):
        least = share.value - share.margin(z)
        if others is not None and least > max(TIES, others.value + TIES_MARGIN):
            yield (
                member,
                Alarm(
                    "ties",
                    "Ties nearly everything",
                    f"Ties {percent(share.value, 0)} of {share.whole:.0f} pairs of responses. The "
                    f"others tie {percent(others.value, 0)}.",
                ),
            )


def length(habits: Habits, left_out: Container[int]) -> Raised:
    """Who prefers the longer response, or the shorter one, far more often than the others."""
    for member, share, others, z in beside_others(habits, "longer", left_out):
        if others is None:
            continue
        margin = LENGTH_MARGIN + hypot(share.margin(z), others.margin(z))
        for what, value, like in (
            ("longer", share.value, others.value),
            ("shorter", 1 - share.value, 1 - others.value),
        ):
            if value > LENGTH and value - like > margin:
                yield (
                    member,
                    Alarm(
                        "length",
                        f"Prefers the {what}",
                        f"Prefers the {what} response in {percent(value, 0)} of {share.whole:.0f} "
                        f"comparisons. The others do in {percent(like, 0)}.",
                    ),
                )


# ---- agreement near chance ----


def chance(habits: Habits, left_out: Container[int]) -> Raised:
    """Who agrees with the others hardly more than chance, while these agree with each other."""
    everybody = {m: Share.of(sums) for m, sums in habits.agreed.items() if sums.rows}
    own = {member: share for member, share in everybody.items() if share.prompts >= FEWEST}
    for member, share in own.items():
        pool = [m for m in everybody if m != member and m not in left_out]
        with_pool = narrowed(share, *habits.agreed_with.between([member], pool))
        in_pool = together(everybody[m] for m in pool)
        agreed, pairs = habits.agreed_with.between(pool, pool)
        others = in_pool and narrowed(in_pool, agreed / 2, pairs / 2)
        if with_pool and others and near_chance(with_pool, others, sure(len(own))):
            yield (
                member,
                Alarm(
                    "chance",
                    "Agrees as if by chance",
                    f"Agrees with the others in {percent(with_pool.value, 0)} of "
                    f"{with_pool.whole:.0f} comparisons. They agree with each other in "
                    f"{percent(others.value, 0)}; by chance it would be 50 %.",
                ),
            )


def narrowed(share: Share, part: float, whole: float) -> Share | None:
    """A share of fewer comparisons, each as uncertain as those were; None of none."""
    if not whole:
        return None
    return Share(part, whole, share.error * sqrt(share.whole / whole), share.prompts)


def by_gold(habits: Habits, left_out: Container[int]) -> Raised:
    """Who agrees with gold rankings hardly more than chance."""
    return checked(habits, left_out, GOLD, "Misses gold rankings", "gold rankings")


def by_themselves(habits: Habits, left_out: Container[int]) -> Raised:
    """Who agrees with themselves hardly more than chance."""
    whom = "themselves, where a prompt came again,"
    return checked(habits, left_out, CONSISTENCY, "Not consistent", whom)


def checked(habits: Habits, left_out: Container[int], kind: str, badge: str, whom: str) -> Raised:
    for member, share, others, z in beside_others(habits, kind, left_out, FEWEST_CHECKED):
        if near_chance(share, others, z):
            said = f"The others do in {percent(others.value, 0)}; by" if others else "By"
            yield (
                member,
                Alarm(
                    kind,
                    badge,
                    f"Agrees with {whom} in {percent(share.value, 0)} of {share.whole:.0f} "
                    f"comparisons of {share.prompts} prompts. {said} chance it would be 50 %.",
                ),
            )


def near_chance(own: Share, others: Share | None, z: float) -> bool:
    """Whether a share is near one half, and surely far from what the others come to."""
    if others is None:
        return own.value + own.margin(z) < NO_OTHERS
    above = others.value - 0.5
    return (
        others.value - others.margin(z) > OTHERS_AGREE
        and own.value < 0.5 + NEAR_CHANCE * above
        and own.value + own.margin(z) < 0.5 + FAR_FROM_OTHERS * above
    )
