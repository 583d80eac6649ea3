"""Measure how well the rankings of the same prompts agree.

docs/quality.md defines each figure.

Shapes: N rankings of one prompt, K of its responses, C pairs of these, V = 9 ranks; S bootstrap
samples.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from django.utils.translation import gettext_noop
from numpy.typing import NDArray

from labelapp.models import MAX_RESPONSES
from labelapp.quality.alerts import find_alerts
from labelapp.quality.bootstrap import Floats, Sums, figure, ratio
from labelapp.quality.control_checks import ControlCheck
from labelapp.quality.labeller_stats import LabellerStats
from labelapp.quality.rankings import MeasuredRanking
from labelapp.quality.results import Figure, LabellerAgreement, LabellerFigures
from training.rankings import UNRANKED

UPPER = np.triu_indices(MAX_RESPONSES)


def alpha(sums: Floats) -> Floats:
    """Return Krippendorff's alpha (S,) from the upper triangles of coincidence matrices (S, 45).

    With the ordinal metric: Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011). Its
    sum of the frequencies between two ranks is the distance between their middles. NaN if all
    values are equal.
    """
    o_SVV = np.zeros((len(sums), MAX_RESPONSES, MAX_RESPONSES))
    o_SVV[:, UPPER[0], UPPER[1]] = sums
    o_SVV[:, UPPER[1], UPPER[0]] = sums
    n_SV = o_SVV.sum(axis=2)
    middle_SV = n_SV.cumsum(axis=1) - n_SV / 2
    distance_SVV = (middle_SV[:, :, None] - middle_SV[:, None, :]) ** 2
    observed_S = (o_SVV * distance_SVV).sum(axis=(1, 2))
    products_SVV = n_SV[:, :, None] * n_SV[:, None, :]
    expected_S = (products_SVV * distance_SVV).sum(axis=(1, 2)) / (n_SV.sum(axis=1) - 1)
    value_S = np.full(len(sums), np.nan)
    np.divide(observed_S, expected_S, out=value_S, where=expected_S > 0)
    return 1 - value_S


class AgreementSums:
    """Sums over prompts for the figures of agreement."""

    def __init__(self) -> None:
        self.rankings = self.prompts = self.shared_prompts = self.units = 0
        self.members: set[int] = set()
        self.two_way = Sums()  # agreed, pairs
        self.three_way = Sums()  # agreed, pairs, ties: up to two per pair
        self.tau = Sums()  # sum, count
        self.w = Sums()  # W, 1, W expected by chance
        self.coincidences = Sums()
        self.labellers = LabellerStats()
        self.compared = False  # two labellers have ranked the same two responses
        self.same_set = False  # all rankings of a prompt are of the same responses

    def add(self, rankings: Sequence[MeasuredRanking]) -> None:
        """Add all rankings of a prompt."""
        members = {ranking.member for ranking in rankings}
        self.members |= members
        self.rankings += len(rankings)
        self.prompts += 1
        self.labellers.add(rankings)
        if len(members) > 1:
            self.shared_prompts += 1
            self.add_pairs(rankings)
            self.add_w(rankings)
            self.add_coincidences(rankings)

    def add_pairs(self, rankings: Sequence[MeasuredRanking]) -> None:
        """Add the agreement of every two rankings by different labellers."""
        members_N = np.array([ranking.member for ranking in rankings])
        responses = sorted({response for ranking in rankings for response in ranking.ranks})
        ranks_NK = np.array(
            [[one.ranks.get(response, 0) for response in responses] for one in rankings]
        )
        first_C, second_C = np.triu_indices(len(responses), k=1)
        low_NC = np.minimum(ranks_NK[:, first_C], ranks_NK[:, second_C])
        has_NC = ((low_NC > 0) & (low_NC != UNRANKED)).astype(float)
        prefers_NC = np.sign(ranks_NK[:, second_C] - ranks_NK[:, first_C]) * has_NC
        apart_NC = np.abs(prefers_NC)
        tied_NC = has_NC - apart_NC
        others_NN = np.triu(members_N[:, None] != members_N[None, :])

        def summed(of_NN: Floats) -> float:
            return float(of_NN[others_NN].sum())

        balance_NN = prefers_NC @ prefers_NC.T  # pairs ordered alike, less those ordered opposite
        pairs_NN = apart_NC @ apart_NC.T
        pairs = summed(pairs_NN)
        agreed = (pairs + summed(balance_NN)) / 2
        shared = summed(has_NC @ has_NC.T)
        ties_NN = tied_NC @ has_NC.T  # of the pairs in both rankings, those tied in the first
        if pairs:
            self.two_way.add(agreed, pairs)
            self.add_each(members_N, (pairs_NN + balance_NN) / 2, pairs_NN)
        if shared:
            self.compared = True
            alike = agreed + summed(tied_NC @ tied_NC.T)
            self.three_way.add(alike, shared, summed(ties_NN + ties_NN.T))
        ordered_NN = apart_NC @ has_NC.T
        root_NN = np.sqrt(ordered_NN * ordered_NN.T)
        known_NN = others_NN & (root_NN > 0)
        if known_NN.any():
            self.tau.add(float((balance_NN[known_NN] / root_NN[known_NN]).sum()), known_NN.sum())

    def add_each(self, members_N: NDArray[np.int64], agreed_NN: Floats, pairs_NN: Floats) -> None:
        """Add the agreement of each labeller with the others on a prompt."""
        others_NN = members_N[:, None] != members_N[None, :]
        self.labellers.agreed_with.add(members_N, agreed_NN * others_NN, pairs_NN * others_NN)
        for member in np.unique(members_N):
            own_N = members_N == member
            others_NN = own_N[:, None] & ~own_N[None, :]
            self.labellers.add_agreement(
                int(member), agreed_NN[others_NN].sum(), pairs_NN[others_NN].sum()
            )

    def add_w(self, rankings: Sequence[MeasuredRanking]) -> None:
        """Add Kendall's W of a prompt, corrected for ties (Kendall and Gibbons 1990, chapter 6)."""
        responses = sorted(rankings[0].ranks)
        n, m = len(responses), len(rankings)
        if n < 2 or any(one.ranks.keys() != rankings[0].ranks.keys() for one in rankings):
            return
        if any(UNRANKED in one.ranks.values() for one in rankings):
            return
        self.same_set = True
        ranks_NK = np.array([[one.ranks[response] for response in responses] for one in rankings])
        before_NK = (ranks_NK[:, :, None] > ranks_NK[:, None, :]).sum(axis=2)
        equal_NK = (ranks_NK[:, :, None] == ranks_NK[:, None, :]).sum(axis=2)
        # Tied responses get the mean of their ranks; `ties` sums t^3 - t over groups of t ties.
        totals_K = (before_NK + (equal_NK + 1) / 2).sum(axis=0)
        ties = (equal_NK**2 - 1).sum()
        most = m * m * (n**3 - n) - m * ties
        if most > 0:
            spread = float(((totals_K - totals_K.mean()) ** 2).sum())
            self.w.add(12 * spread / float(most), 1, 1 / m)

    def add_coincidences(self, rankings: Sequence[MeasuredRanking]) -> None:
        """Add the coincidence matrix of a prompt. A unit is a response in a set of responses.

        An unranked response has no value, and a unit counts if it has at least two values.
        """
        by_set: dict[frozenset[int], list[MeasuredRanking]] = {}
        for ranking in rankings:
            by_set.setdefault(frozenset(ranking.ranks), []).append(ranking)
        o_VV = np.zeros((MAX_RESPONSES, MAX_RESPONSES))
        for responses, same_set in by_set.items():
            counts_KV = np.zeros((len(responses), MAX_RESPONSES))
            for ranking in same_set:
                for place, response in enumerate(responses):
                    if (rank := ranking.ranks[response]) != UNRANKED:
                        counts_KV[place, rank - 1] += 1
            counts_KV = counts_KV[counts_KV.sum(axis=1) > 1]
            self.units += len(counts_KV)
            weighted_KV = counts_KV / (counts_KV.sum(axis=1, keepdims=True) - 1)
            o_VV += counts_KV.T @ weighted_KV - np.diag(weighted_KV.sum(axis=0))
        if o_VV.any():
            self.coincidences.add(*o_VV[UPPER])

    def why_none(self) -> str:
        """Return the reason why no figure can be measured, or an empty string."""
        if not self.rankings:
            return gettext_noop("Nobody has ranked yet.")
        if len(self.members) == 1:
            return gettext_noop("Only one labeller has ranked. Agreement needs at least two.")
        if not self.shared_prompts:
            return gettext_noop("No prompt has been ranked by two labellers.")
        if not self.compared:
            return gettext_noop("No two labellers have ranked the same two responses of a prompt.")
        return ""


def measure(
    prompts: Iterable[Sequence[MeasuredRanking]], checks: Iterable[Sequence[ControlCheck]] = ()
) -> LabellerAgreement:
    """Return all figures of a project, from its rankings and control checks prompt by prompt."""
    sums = AgreementSums()
    for rankings in prompts:
        sums.add(rankings)
    for prompt_checks in checks:
        sums.labellers.add_checks(prompt_checks)
    return LabellerAgreement(
        rankings=sums.rankings,
        labellers=len(sums.members),
        prompts=sums.prompts,
        shared_prompts=sums.shared_prompts,
        figures=[
            agreement(sums),
            agreement_with_ties(sums),
            kendall_tau(sums),
            krippendorff_alpha(sums),
            kendall_w(sums),
        ],
        people=people(sums),
        pairs=sums.labellers.agreed_with.each(),
    )


def people(sums: AgreementSums) -> list[LabellerFigures]:
    """Return the figures of each labeller, with their alerts."""
    figures = sums.labellers.people(together=agreement(sums), why_none=sums.why_none())
    alerts = find_alerts(sums.labellers)
    return [
        replace(one, alerts=tuple(alerts.get(one.member, ()))) if one.member else one
        for one in figures
    ]


def agreement(sums: AgreementSums) -> Figure:
    """Return the share of pairs ordered alike, of those that two labellers both ranked apart."""
    return figure(
        sums.two_way,
        name="agreement",
        unit="comparisons",
        count=int(sums.two_way.total()[-1]),
        statistic=ratio,
        chance=0.5,
        why_none=sums.why_none(),
        undefined=gettext_noop(
            "In every pair that two labellers share, at least one of them tied the two."
        ),
    )


def agreement_with_ties(sums: AgreementSums) -> Figure:
    """Return the agreement with three answers: better, worse and tied.

    The chance level is for two labellers who tie as often as all do together, and otherwise toss a
    coin.
    """
    chance, pairs = None, 0
    if sums.three_way.rows:
        _, pairs, ties = sums.three_way.total()
        tied = ties / (2 * pairs)
        chance = float(tied**2 + (1 - tied) ** 2 / 2)
    return figure(
        sums.three_way,
        name="agreement_with_ties",
        unit="comparisons",
        count=int(pairs),
        statistic=ratio,
        chance=chance,
        why_none=sums.why_none(),
    )


def kendall_tau(sums: AgreementSums) -> Figure:
    """Return the mean of tau-b over every two labellers of a prompt (Kendall 1945)."""
    return figure(
        sums.tau,
        name="tau_b",
        unit="pairs of rankings",
        count=int(sums.tau.total()[-1]),
        statistic=ratio,
        chance=0.0,
        why_none=sums.why_none(),
        undefined=gettext_noop(
            "Of every two labellers of a prompt, one tied all responses that they share."
        ),
    )


def krippendorff_alpha(sums: AgreementSums) -> Figure:
    """Return Krippendorff's ordinal alpha over the ranks of responses."""
    return figure(
        sums.coincidences,
        name="alpha",
        unit="responses",
        count=sums.units,
        statistic=alpha,
        chance=0.0,
        why_none=sums.why_none(),
        undefined=(
            gettext_noop("Everybody gave all responses the same rank.")
            if sums.coincidences.rows
            else gettext_noop("No two labellers have ranked the same set of responses.")
        ),
    )


def kendall_w(sums: AgreementSums) -> Figure:
    """Return the mean of Kendall's W over prompts.

    The chance level is one divided by the number of rankings.
    """
    chance = None
    if sums.w.rows:
        _, prompts, by_chance = sums.w.total()
        chance = float(by_chance / prompts)
    return figure(
        sums.w,
        name="w",
        unit="prompts",
        count=sums.w.prompts,
        statistic=ratio,
        chance=chance,
        why_none=sums.why_none(),
        undefined=(
            gettext_noop("Everybody tied all responses of the prompts in question.")
            if sums.same_set
            else gettext_noop(
                "There is no prompt of which all labellers ranked the same set of responses."
            )
        ),
    )
