"""Coefficients: how alike rankings of the same prompts are.

docs/quality.md defines each figure.

Shapes: N rankings of one prompt, K of its responses, C pairs of these, V = 9 ranks; S bootstrap
samples.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from labelapp.models import MAX_RESPONSES
from labelapp.quality.alerts import raised
from labelapp.quality.bootstrap import Floats, Sums, figure, ratio
from labelapp.quality.control_checks import Check
from labelapp.quality.labeller_stats import Habits
from labelapp.quality.rankings import Ranked
from labelapp.quality.results import Agreement, Figure, Person

UPPER = np.triu_indices(MAX_RESPONSES)


def alpha(sums: Floats) -> Floats:
    """Krippendorff's alpha (S,) from the upper triangles of coincidence matrices (S, 45).

    With the ordinal metric: Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011). Its
    sum of the frequencies between two ranks is the distance between their middles. NaN where all
    values are one.
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


class Tally:
    """Goes through the prompts, one at a time, and sums up."""

    def __init__(self) -> None:
        self.rankings = self.prompts = self.shared_prompts = self.units = 0
        self.members: set[int] = set()
        self.two_way = Sums()  # agreed, pairs
        self.three_way = Sums()  # agreed, pairs, verdicts that tie: two a pair
        self.tau = Sums()  # sum, how many
        self.w = Sums()  # W, 1, what chance comes to
        self.coincidences = Sums()
        self.habits = Habits()
        self.compared = False  # two labellers had two responses in common
        self.same_set = False  # and a prompt's rankings were all of the same responses

    def add(self, ranked: Sequence[Ranked]) -> None:
        """Add a prompt with all its rankings."""
        members = {ranking.member for ranking in ranked}
        self.members |= members
        self.rankings += len(ranked)
        self.prompts += 1
        self.habits.add(ranked)
        if len(members) > 1:
            self.shared_prompts += 1
            self.add_pairs(ranked)
            self.add_w(ranked)
            self.add_coincidences(ranked)

    def add_pairs(self, ranked: Sequence[Ranked]) -> None:
        """What every two rankings by different labellers say of the responses they share."""
        members_N = np.array([ranking.member for ranking in ranked])
        responses = sorted({response for ranking in ranked for response in ranking.ranks})
        ranks_NK = np.array(
            [[one.ranks.get(response, 0) for response in responses] for one in ranked]
        )
        first_C, second_C = np.triu_indices(len(responses), k=1)
        has_NC = ((ranks_NK[:, first_C] > 0) & (ranks_NK[:, second_C] > 0)).astype(float)
        prefers_NC = np.sign(ranks_NK[:, second_C] - ranks_NK[:, first_C]) * has_NC
        apart_NC = np.abs(prefers_NC)
        tied_NC = has_NC - apart_NC
        others_NN = np.triu(members_N[:, None] != members_N[None, :])

        def summed(of_NN: Floats) -> float:
            return float(of_NN[others_NN].sum())

        balance_NN = prefers_NC @ prefers_NC.T  # ordered alike, less ordered the other way
        pairs_NN = apart_NC @ apart_NC.T
        pairs = summed(pairs_NN)
        agreed = (pairs + summed(balance_NN)) / 2
        shared = summed(has_NC @ has_NC.T)
        ties_NN = tied_NC @ has_NC.T  # of the pairs that both have, those that the first one ties
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
        """What each labeller and the others said of a prompt."""
        others_NN = members_N[:, None] != members_N[None, :]
        self.habits.agreed_with.add(members_N, agreed_NN * others_NN, pairs_NN * others_NN)
        for member in np.unique(members_N):
            own_N = members_N == member
            others_NN = own_N[:, None] & ~own_N[None, :]
            self.habits.add_agreement(
                int(member), agreed_NN[others_NN].sum(), pairs_NN[others_NN].sum()
            )

    def add_w(self, ranked: Sequence[Ranked]) -> None:
        """Kendall's W of a prompt, corrected for ties (Kendall and Gibbons 1990, chapter 6)."""
        responses = sorted(ranked[0].ranks)
        n, m = len(responses), len(ranked)
        if n < 2 or any(ranking.ranks.keys() != ranked[0].ranks.keys() for ranking in ranked):
            return
        self.same_set = True
        ranks_NK = np.array([[one.ranks[response] for response in responses] for one in ranked])
        before_NK = (ranks_NK[:, :, None] > ranks_NK[:, None, :]).sum(axis=2)
        equal_NK = (ranks_NK[:, :, None] == ranks_NK[:, None, :]).sum(axis=2)
        # Ties share the mean of their ranks, and t^3 - t is summed over groups of t that are tied.
        totals_K = (before_NK + (equal_NK + 1) / 2).sum(axis=0)
        ties = (equal_NK**2 - 1).sum()
        most = m * m * (n**3 - n) - m * ties
        if most > 0:
            spread = float(((totals_K - totals_K.mean()) ** 2).sum())
            self.w.add(12 * spread / float(most), 1, 1 / m)

    def add_coincidences(self, ranked: Sequence[Ranked]) -> None:
        """A prompt's coincidence matrix. A unit is a response among the same responses."""
        by_set: dict[frozenset[int], list[Ranked]] = {}
        for ranking in ranked:
            by_set.setdefault(frozenset(ranking.ranks), []).append(ranking)
        o_VV = np.zeros((MAX_RESPONSES, MAX_RESPONSES))
        for responses, rankings in by_set.items():
            if len(rankings) < 2:
                continue
            self.units += len(responses)
            counts_KV = np.zeros((len(responses), MAX_RESPONSES))
            for ranking in rankings:
                for place, response in enumerate(responses):
                    counts_KV[place, ranking.ranks[response] - 1] += 1
            pairs_VV = counts_KV.T @ counts_KV - np.diag(counts_KV.sum(axis=0))
            o_VV += pairs_VV / (len(rankings) - 1)
        if o_VV.any():
            self.coincidences.add(*o_VV[UPPER])

    def why_none(self) -> str:
        """Why no figure at all can be said, in a sentence; empty where one can."""
        if not self.rankings:
            return "Nobody has ranked yet."
        if len(self.members) == 1:
            return "Only one labeller has ranked; agreement takes two."
        if not self.shared_prompts:
            return "No prompt has been ranked by two labellers."
        if not self.compared:
            return "No two labellers have ranked the same two responses of a prompt."
        return ""


def measure(
    prompts: Iterable[Sequence[Ranked]], checks: Iterable[Sequence[Check]] = ()
) -> Agreement:
    """All figures of a project, from its rankings prompt by prompt, and from what checks them."""
    tally = Tally()
    for ranked in prompts:
        tally.add(ranked)
    for checked in checks:
        tally.habits.add_checks(checked)
    return Agreement(
        rankings=tally.rankings,
        labellers=len(tally.members),
        prompts=tally.prompts,
        shared_prompts=tally.shared_prompts,
        figures=[
            agreement(tally),
            agreement_with_ties(tally),
            kendall_tau(tally),
            krippendorff_alpha(tally),
            kendall_w(tally),
        ],
        people=people(tally),
    )


def people(tally: Tally) -> list[Person]:
    """Each labeller, with the alarms that are theirs."""
    found = tally.habits.people(together=agreement(tally), why_none=tally.why_none())
    alarms = raised(tally.habits)
    return [
        replace(one, alarms=tuple(alarms.get(one.member, ()))) if one.member else one
        for one in found
    ]


def agreement(tally: Tally) -> Figure:
    """Of the pairs that two labellers both ranked apart, the share that they order alike."""
    return figure(
        tally.two_way,
        name="agreement",
        unit="comparisons",
        count=int(tally.two_way.total()[-1]),
        statistic=ratio,
        chance=0.5,
        why_none=tally.why_none(),
        undefined="Of every pair that two labellers share, one of them or both tied the two.",
    )


def agreement_with_ties(tally: Tally) -> Figure:
    """The same with three answers: better, worse, tied.

    By chance two labellers agree who tie as often as all do together, and else toss a coin.
    """
    chance, pairs = None, 0
    if tally.three_way.rows:
        _, pairs, ties = tally.three_way.total()
        tied = ties / (2 * pairs)
        chance = float(tied**2 + (1 - tied) ** 2 / 2)
    return figure(
        tally.three_way,
        name="agreement_with_ties",
        unit="comparisons",
        count=int(pairs),
        statistic=ratio,
        chance=chance,
        why_none=tally.why_none(),
    )


def kendall_tau(tally: Tally) -> Figure:
    """The mean of tau-b over every two labellers of a prompt (Kendall 1945)."""
    return figure(
        tally.tau,
        name="tau_b",
        unit="pairs of rankings",
        count=int(tally.tau.total()[-1]),
        statistic=ratio,
        chance=0.0,
        why_none=tally.why_none(),
        undefined="Of every two labellers of a prompt, one tied everything that they share.",
    )


def krippendorff_alpha(tally: Tally) -> Figure:
    """Krippendorff's alpha, ordinal, over the ranks of responses."""
    return figure(
        tally.coincidences,
        name="alpha",
        unit="responses",
        count=tally.units,
        statistic=alpha,
        chance=0.0,
        why_none=tally.why_none(),
        undefined=(
            "Every response has the same rank from everybody."
            if tally.coincidences.rows
            else "No two labellers have ranked the same set of responses."
        ),
    )


def kendall_w(tally: Tally) -> Figure:
    """The mean of Kendall's W over prompts. By chance it is one over the number of rankings."""
    chance = None
    if tally.w.rows:
        _, prompts, by_chance = tally.w.total()
        chance = float(by_chance / prompts)
    return figure(
        tally.w,
        name="w",
        unit="prompts",
        count=tally.w.prompts,
        statistic=ratio,
        chance=chance,
        why_none=tally.why_none(),
        undefined=(
            "Everybody tied all responses of the prompts in question."
            if tally.same_set
            else "Of no prompt have all labellers ranked the same set of responses."
        ),
    )
