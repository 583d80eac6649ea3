"""Find labellers whose rankings stand out so far that somebody should look at them.

Each rule compares a labeller with all others. It asks for a difference that matters, not only for
one that is significant, and corrects for the number of labellers. docs/quality.md gives the error
rates, which benchmarks/alerts.py measures. An alert is a hint, not a verdict.
"""

from collections import defaultdict
from collections.abc import Container, Iterator
from math import exp, hypot, log, sqrt

import numpy as np
from django.utils.translation import gettext_noop

from labelapp.quality.alert_words import (
    CHANCE,
    FIRST,
    LAST,
    LONGER,
    MISSES_GOLD,
    NOT_CONSISTENT,
    SAME_PLACES,
    SHORTER,
    SPEED,
    TIED,
)
from labelapp.quality.bootstrap import Floats
from labelapp.quality.control_checks import CONSISTENCY, GOLD
from labelapp.quality.labeller_stats import LabellerStats
from labelapp.quality.results import MIN_CHECKED, MIN_PROMPTS, Alert
from labelapp.quality.shares import (
    Share,
    compare_with_others,
    is_near_chance,
    pool,
    required_z,
    rescale,
)

FAST_SPREADS = 3.0  # below the others' median, in spreads of their medians
EXPECTED_SPREAD = 0.35  # of the logarithms of labellers' median times
EXPECTED_WEIGHT = 5  # weight of the expected spread, in labellers
FAST_RATIO = 2.5  # minimum ratio of the others' time to the labeller's
PLACE_MARGIN = 0.1  # beyond one half, either way
SAME_ORDER = 0.25  # of the value for a labeller who always gives the same order of places
MIN_COMPARISONS = 10  # of two places
TIES, TIES_MARGIN = 0.8, 0.2
LENGTH, LENGTH_MARGIN = 0.75, 0.1


MemberAlerts = Iterator[tuple[int, Alert]]


def find_alerts(stats: LabellerStats) -> dict[int, list[Alert]]:
    """Return the alerts of each labeller who has any.

    Labellers whose rankings follow places, ties or lengths, or nothing, are excluded from the
    others with whom the following rules compare.
    """
    alerts: defaultdict[int, list[Alert]] = defaultdict(list)
    excluded: set[int] = set()
    for rule in (place_alerts, tie_alerts, length_alerts, gold_alerts, consistency_alerts):
        excluded |= add_alerts(alerts, rule(stats, excluded))
    # Random rankings lower the agreement of everybody: without them, others may stand out.
    while new := add_alerts(alerts, chance_alerts(stats, excluded)):
        excluded |= new
    add_alerts(alerts, speed_alerts(stats))
    return dict(alerts)


def add_alerts(alerts: defaultdict[int, list[Alert]], new: MemberAlerts) -> set[int]:
    """Add alerts of kinds that a member does not have yet, and return these members."""
    members = set()
    for member, alert in list(new):
        if alert.kind not in {before.kind for before in alerts[member]}:
            alerts[member].append(alert)
            members.add(member)
    return members


def figures(of: Share, value: float, **more: float) -> dict[str, float]:
    """Return the figures that an alert names: a value of a share, its comparisons, and more."""
    return {"share": value, "comparisons": round(of.whole), **more}


# ---- speed ----


def speed_alerts(stats: LabellerStats) -> MemberAlerts:
    """Yield the labellers who take far less time per ranking than the others for as much text.

    Medians of logarithms are compared in units of the spread of the others' medians, so that a
    single fast or slow labeller changes little (Iglewicz and Hoaglin, How to Detect and Handle
    Outliers, 1993).
    """
    times = length_adjusted_times(stats)
    medians = {member: float(np.median(log_times)) for member, log_times in times.items()}
    for member, median in medians.items():
        others = np.array([one for other, one in medians.items() if other != member])
        if len(others) < 2:
            return
        faster = float(np.median(others)) - median
        error = 1.2533 * deviation(times[member]) / sqrt(len(times[member]))  # of a median
        if faster > max(log(FAST_RATIO), FAST_SPREADS * hypot(spread(others), error)):
            values = {
                "seconds": float(np.median(stats.seconds[member])),
                "rankings": len(times[member]),
                "ratio": exp(faster),
            }
            yield member, Alert("speed", gettext_noop("Very fast"), SPEED, values)


def spread(medians: Floats) -> float:
    """Return the spread of labellers' medians, drawn towards EXPECTED_SPREAD if they are few."""
    observed = len(medians) * deviation(medians) ** 2
    expected = EXPECTED_WEIGHT * EXPECTED_SPREAD**2
    return sqrt((observed + expected) / (len(medians) + EXPECTED_WEIGHT))


def length_adjusted_times(stats: LabellerStats) -> dict[int, Floats]:
    """Return the logarithms of each labeller's times, minus the effect of the texts' lengths.

    One slope for all is fitted within labellers: between them it would be biased, because those
    who read long texts may be fast readers.
    """
    seconds = {
        member: np.log(np.maximum(times, 0.1))
        for member, times in stats.seconds.items()
        if len(times) >= MIN_PROMPTS
    }
    lengths = {member: np.log(np.maximum(stats.characters[member], 1.0)) for member in seconds}
    centred = [
        (times - times.mean(), lengths[m] - lengths[m].mean()) for m, times in seconds.items()
    ]
    varied = sum(float(length @ length) for _, length in centred)
    slope = sum(float(times @ length) for times, length in centred) / varied if varied else 0.0
    slope = min(1.0, max(0.0, slope))
    return {member: times - slope * lengths[member] for member, times in seconds.items()}


def deviation(values: Floats) -> float:
    """Return the median absolute deviation, scaled to the standard deviation of normal values."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


# ---- places ----


def place_alerts(stats: LabellerStats, excluded: Container[int]) -> MemberAlerts:
    """Yield the labellers who prefer the first or last place, or always give the same order."""
    for member, share, others, z in compare_with_others(stats, "first", excluded):
        effect = place_effect(stats.wins_by_place[member])
        if abs(share.value - 0.5) > PLACE_MARGIN + share.margin(z):
            yield member, first_or_last_alert(share, others)
        elif effect > SAME_ORDER:
            badge = gettext_noop("The same order of places")
            values = {"effect": effect, "prompts": share.prompts, "expected": 0.0}
            yield member, Alert("place", badge, SAME_PLACES, values)


def first_or_last_alert(own: Share, others: Share | None) -> Alert:
    is_first = own.value > 0.5
    badge, alone, compared = FIRST if is_first else LAST
    values = figures(own, own.value if is_first else 1 - own.value, expected=0.5)
    if others is None:
        return Alert("place", badge, alone, values)
    values["others"] = others.value if is_first else 1 - others.value
    return Alert("place", badge, compared, values)


def place_effect(wins_VV: Floats) -> float:
    """Return how far places decide: 1 if one of any two always wins, 0 on average if none does.

    The mean over comparisons of (2 s - 1)^2, where s is how often one of two places wins, less the
    value expected by chance, 1/n.
    """
    first, second = np.triu_indices(len(wins_VV), k=1)
    times = wins_VV[first, second] + wins_VV[second, first]
    enough = times >= MIN_COMPARISONS
    if not enough.any():
        return 0.0
    times, lead = times[enough], (wins_VV[first, second] - wins_VV[second, first])[enough]
    squares = (lead / times) ** 2
    unbiased = (squares * times - 1) / (times - 1)
    return float(unbiased @ times / times.sum())


# ---- ties and length ----


def tie_alerts(stats: LabellerStats, excluded: Container[int]) -> MemberAlerts:
    """Yield the labellers who tie nearly everything, unlike the others."""
    for member, share, others, z in compare_with_others(stats, "ties", excluded):
        least = share.value - share.margin(z)
        if others is not None and least > max(TIES, others.value + TIES_MARGIN):
            values = figures(share, share.value, others=others.value)
            yield member, Alert("ties", gettext_noop("Ties nearly everything"), TIED, values)


def length_alerts(stats: LabellerStats, excluded: Container[int]) -> MemberAlerts:
    """Yield the labellers who prefer longer or shorter responses far more often than the others."""
    for member, share, others, z in compare_with_others(stats, "longer", excluded):
        if others is None:
            continue
        margin = LENGTH_MARGIN + hypot(share.margin(z), others.margin(z))
        for (badge, text), value, others_value in (
            (LONGER, share.value, others.value),
            (SHORTER, 1 - share.value, 1 - others.value),
        ):
            if value > LENGTH and value - others_value > margin:
                values = figures(share, value, others=others_value)
                yield member, Alert("length", badge, text, values)


# ---- agreement near chance ----


def chance_alerts(stats: LabellerStats, excluded: Container[int]) -> MemberAlerts:
    """Yield the labellers who agree with the others hardly more than by chance."""
    everybody = {m: Share.of(sums) for m, sums in stats.agreed.items() if sums.rows}
    own = {member: share for member, share in everybody.items() if share.prompts >= MIN_PROMPTS}
    for member, share in own.items():
        other_members = [m for m in everybody if m != member and m not in excluded]
        with_others = rescale(share, *stats.agreed_with.between([member], other_members))
        pooled = pool(everybody[m] for m in other_members)
        agreed, pairs = stats.agreed_with.between(other_members, other_members)
        others = pooled and rescale(pooled, agreed / 2, pairs / 2)
        if with_others and others and is_near_chance(with_others, others, required_z(len(own))):
            values = figures(with_others, with_others.value, others=others.value, chance=0.5)
            yield member, Alert("chance", gettext_noop("Agrees as if by chance"), CHANCE, values)


def gold_alerts(stats: LabellerStats, excluded: Container[int]) -> MemberAlerts:
    """Yield the labellers who agree with gold rankings hardly more than by chance."""
    return control_alerts(stats, excluded, GOLD, MISSES_GOLD)


def consistency_alerts(stats: LabellerStats, excluded: Container[int]) -> MemberAlerts:
    """Yield the labellers who agree with themselves hardly more than by chance."""
    return control_alerts(stats, excluded, CONSISTENCY, NOT_CONSISTENT)


def control_alerts(
    stats: LabellerStats, excluded: Container[int], kind: str, words: tuple[str, str, str]
) -> MemberAlerts:
    badge, alone, compared = words
    for member, share, others, z in compare_with_others(stats, kind, excluded, MIN_CHECKED):
        if is_near_chance(share, others, z):
            values = figures(share, share.value, prompts=share.prompts, chance=0.5)
            if others is None:
                yield member, Alert(kind, badge, alone, values)
            else:
                values["others"] = others.value
                yield member, Alert(kind, badge, compared, values)
