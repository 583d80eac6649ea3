"""Shares of labellers' comparisons with their errors, each beside that of the others."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from math import isfinite, sqrt
from statistics import NormalDist

from labelapp.quality.bootstrap import Sums
from labelapp.quality.labeller_stats import LabellerStats
from labelapp.quality.results import MIN_PROMPTS

FALSE_ALERTS = 0.05  # chance that a rule flags any honest labeller of a project by noise alone
OTHERS_AGREE = 0.55  # minimum agreement of the others, to measure a labeller by it
NEAR_CHANCE, FAR_FROM_OTHERS = 1 / 3, 0.75  # of the others' agreement above chance
MIN_WITHOUT_OTHERS = 0.6  # minimum agreement when nobody else can be compared


@dataclass(frozen=True)
class Share:
    """A part of a whole, with its standard error over prompts."""

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
        """Return `z` standard errors, widened for few prompts.

        Student's t by its expansion in the normal quantile (Abramowitz and Stegun, 26.7.5).
        """
        return self.error * (z + (z**3 + z) / (4 * (self.prompts - 1)))


def pool(shares: Iterable[Share]) -> Share | None:
    """Return the shares of several labellers as one, or None if none has a finite error."""
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


def required_z(labellers: int) -> float:
    """Return the number of standard errors that a difference needs (Bonferroni)."""
    return NormalDist().inv_cdf(1 - FALSE_ALERTS / max(1, labellers))


def labeller_shares(stats: LabellerStats, name: str) -> dict[int, Share]:
    """Return the share `name` of each labeller."""
    return {
        member: Share.of(sums)
        for (member, figure), sums in stats.sums.items()
        if figure == name and member is not None and sums.rows
    }


def compare_with_others(
    stats: LabellerStats, name: str, excluded: Container[int], fewest: int = MIN_PROMPTS
) -> Iterator[tuple[int, Share, Share | None, float]]:
    """Yield each labeller with `fewest` prompts, their share, that of the others, required z."""
    everybody = labeller_shares(stats, name)
    own = {member: share for member, share in everybody.items() if share.prompts >= fewest}
    for member, share in own.items():
        others = pool(one for m, one in everybody.items() if m != member and m not in excluded)
        yield member, share, others, required_z(len(own))


def rescale(share: Share, part: float, whole: float) -> Share | None:
    """Return the share for a subset of its comparisons, each as uncertain as before, or None."""
    if not whole:
        return None
    return Share(part, whole, share.error * sqrt(share.whole / whole), share.prompts)


def is_near_chance(own: Share, others: Share | None, z: float) -> bool:
    """Return whether a share is near one half, and significantly below that of the others."""
    if others is None:
        return own.value + own.margin(z) < MIN_WITHOUT_OTHERS
    above = others.value - 0.5
    return (
        others.value - others.margin(z) > OTHERS_AGREE
        and own.value < 0.5 + NEAR_CHANCE * above
        and own.value + own.margin(z) < 0.5 + FAR_FROM_OTHERS * above
    )
