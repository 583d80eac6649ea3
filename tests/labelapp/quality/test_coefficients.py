"""Coefficients compared with figures worked out by hand, scipy and krippendorff."""

import math
import random
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import krippendorff
import numpy as np
import pytest
import scipy.stats

from labelapp.importing.importer import import_lines
from labelapp.models import Project
from labelapp.quality.bootstrap import BOOTSTRAP_SAMPLES, Sums, ratio
from labelapp.quality.coefficients import measure
from labelapp.quality.rankings import MeasuredRanking, rankings_by_prompt
from labelapp.quality.results import Figure, LabellerAgreement
from training.evaluation.labeller_agreement import agree_on_prompt
from training.formats.ranking_file import open_ranking_file
from training.rankings import UNRANKED

ANN, BOB, CARL = 1, 2, 3
PANDALM = Path(__file__).resolve().parents[3] / "examples" / "pandalm.jsonl.gz"


def by(member: int, ranks: str, responses: str = "ABCDEFGHI") -> MeasuredRanking:
    """Return a ranking: "1232" gives A the first rank, B and D the second, C the third."""
    return MeasuredRanking(
        member, {ord(r): int(rank) for r, rank in zip(responses, ranks, strict=False)}
    )


def figures(*prompts: Sequence[MeasuredRanking]) -> dict[str, Figure]:
    return measure(prompts).named()


# By hand

# Pairs of A B C D   AB   AC   AD   BC   BD   CD
# Ann  1 2 3 4       A    A    A    B    B    C
# Bob  2 1 3 3       B    A    A    B    B    tied
TWO = [by(ANN, "1234"), by(BOB, "2133")]


def test_agreement_counts_the_pairs_that_both_ranked_apart() -> None:
    found = figures(TWO)["agreement"]
    assert (found.value, found.count, found.prompts) == (4 / 5, 5, 1)  # not CD; all but AB
    assert found.chance == 0.5


def test_with_ties_as_a_third_answer_every_pair_counts() -> None:
    found = figures(TWO)["agreement_with_ties"]
    assert (found.value, found.count) == (4 / 6, 6)
    # One of twelve verdicts is a tie: both tie by chance 1/144 of the time, and both take the same
    # side 1/2 * (11/12)^2 of the time.
    assert found.chance == pytest.approx(1 / 144 + 121 / 288)


def test_tau_b_corrects_for_ties() -> None:
    # Four pairs ordered alike less one; Ann orders six, Bob five.
    found = figures(TWO)["tau_b"]
    assert found.value == pytest.approx(3 / math.sqrt(6 * 5))
    assert (found.count, found.unit) == (1, "pairs of rankings")


def test_alpha_weighs_how_far_apart_two_ranks_are() -> None:
    # Coincidences: 1 with 2 twice (A, B), 3 with 3 once (C), 3 with 4 once (D), each both ways.
    # Ranks 1 to 4 come 2, 2, 3, 1 times, so their middles are 1, 3, 5.5, 7.5.
    # Observed: 2 (2 * 2^2 + 1 * 2^2) = 24.
    # By chance: 2 (4 * 4 + 6 * 20.25 + 2 * 42.25 + 6 * 6.25 + 2 * 20.25 + 3 * 4) / 7 = 624 / 7.
    found = figures(TWO)["alpha"]
    assert found.value == pytest.approx(1 - 24 * 7 / 624)
    assert (found.count, found.unit) == (4, "responses")


def test_w_corrects_for_ties() -> None:
    # Bob's C and D share rank 3.5. Sums 3, 3, 6.5, 7.5; their squared distances from 5 are 16.5.
    # Bob's tie takes 2 * (2^3 - 2) from 2^2 * (4^3 - 4).
    found = figures(TWO)["w"]
    assert found.value == pytest.approx(12 * 16.5 / (240 - 12))
    assert (found.chance, found.count, found.unit) == (0.5, 1, "prompts")


def test_of_three_labellers_every_two_count() -> None:
    found = figures([*TWO, by(CARL, "1111")])
    assert (found["agreement"].value, found["agreement"].count) == (4 / 5, 5)  # Carl orders none
    # Ann and Bob 4 of 6, Ann and Carl none, Bob and Carl CD.
    assert (found["agreement_with_ties"].value, found["agreement_with_ties"].count) == (5 / 18, 18)
    # Ties: 1 of Bob with Ann, 6 of Carl with Ann, 1 + 6 of Bob with Carl, of 36 verdicts.
    tied = 14 / 36
    assert found["agreement_with_ties"].chance == pytest.approx(tied**2 + (1 - tied) ** 2 / 2)
    assert found["tau_b"].count == 1  # of two with Carl it is not defined
    assert found["w"].chance == pytest.approx(1 / 3)


def test_of_different_draws_what_two_share_counts() -> None:
    found = figures([by(ANN, "1234", "ABCD"), by(BOB, "2134", "CDEF")])
    assert (found["agreement"].value, found["agreement"].count) == (0, 1)  # of CD
    assert found["tau_b"].value == -1
    assert found["alpha"].value is None
    assert found["alpha"].why_not == "No two labellers have ranked the same set of responses."
    assert found["w"].value is None
    assert found["w"].why_not == (
        "There is no prompt of which all labellers ranked the same set of responses."
    )


def test_two_rankings_by_one_labeller_are_not_compared() -> None:
    found = figures([by(ANN, "1234"), by(ANN, "4321", "ABCE"), by(BOB, "1234")])
    assert found["agreement"].count == 6 + 3  # Bob with each; of the second they share ABC
    assert found["agreement"].value == 6 / 9


def test_pairs_of_unranked_responses_are_missing_and_not_tied() -> None:
    partial = MeasuredRanking(CARL, {ord("A"): 1, ord("B"): 2} | dict.fromkeys(b"CD", UNRANKED))
    found = figures([by(ANN, "1243"), partial], [by(ANN, "1243"), partial._replace(member=BOB)])
    assert (found["agreement"].value, found["agreement"].count) == (1.0, 2 * 5)
    assert (found["agreement_with_ties"].value, found["agreement_with_ties"].count) == (1.0, 10)
    assert found["tau_b"].value == pytest.approx(1.0)
    assert found["w"].value is None
    # Of C and D there is one value each, which nothing can be compared with.
    assert (found["alpha"].value, found["alpha"].count) == (pytest.approx(1.0), 4)


# Undefined

NAMES = ["agreement", "agreement_with_ties", "tau_b", "alpha", "w"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("prompts", "why"),
    [
        ([], "Nobody has ranked yet."),
        (
            [[by(ANN, "1234")], [by(ANN, "1234")]],
            "Only one labeller has ranked. Agreement needs at least two.",
        ),
        ([[by(ANN, "1234")], [by(BOB, "1234")]], "No prompt has been ranked by two labellers."),
        (
            [[by(ANN, "1234", "ABCD"), by(BOB, "1234", "DEFG")]],
            "No two labellers have ranked the same two responses of a prompt.",
        ),
    ],
)
def test_a_figure_that_cannot_be_said_says_why(
    name: str, prompts: Sequence[Sequence[MeasuredRanking]], why: str
) -> None:
    found = figures(*prompts)[name]
    assert (found.value, found.low, found.count, found.why_not) == (None, None, 0, why)


def test_where_everything_is_tied_only_the_third_answer_is_left() -> None:
    found = figures([by(ANN, "1111"), by(BOB, "1111")])
    assert found["agreement_with_ties"].value == 1
    assert found["agreement_with_ties"].chance == 1
    assert {name for name in NAMES if found[name].value is None and found[name].why_not} == {
        "agreement", "tau_b", "alpha", "w"
    }  # fmt: skip
    assert found["alpha"].why_not == "Everybody gave all responses the same rank."
    assert found["w"].why_not == "Everybody tied all responses of the prompts in question."


# Intervals


def test_fewer_than_five_prompts_give_no_interval_and_say_so() -> None:
    found = figures(*[TWO] * 4)
    for name in NAMES:
        assert found[name].value is not None
        assert (found[name].low, found[name].high) == (None, None)
        assert found[name].why_not == "Fewer than 5 prompts: too few for an interval."


def test_alike_prompts_leave_no_doubt() -> None:
    found = figures(*[TWO] * 5)["agreement"]
    assert (found.low, found.value, found.high) == (0.8, 0.8, 0.8)
    assert found.why_not == ""


def test_the_interval_is_that_of_drawing_prompt_by_prompt() -> None:
    rng = np.random.default_rng(1)
    pairs = rng.integers(1, 16, 60)
    agreed = rng.binomial(pairs, 0.73)
    sums = Sums()
    for row in zip(agreed, pairs, strict=True):
        sums.add(*row)
    drawn = scipy.stats.bootstrap(
        (agreed, pairs),
        lambda a, p, axis: a.sum(axis) / p.sum(axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=20_000,
        rng=2,
    ).confidence_interval
    assert sums.interval(ratio) == pytest.approx(tuple(drawn), abs=0.01)


def test_the_same_rankings_give_the_same_interval_in_any_order() -> None:
    prompts = simulated(12)
    assert measure(prompts) == measure(prompts[::-1])


# Beside the libraries


def simulated(prompts: int) -> list[list[MeasuredRanking]]:
    """Return prompts with 4 to 9 responses, ranked by 2 to 4 labellers with random errors."""
    rng = random.Random(3)
    made = []
    for _ in range(prompts):
        worth = [rng.gauss(0, 1) for _ in range(rng.randint(4, 9))]
        rankings = []
        for member in range(rng.randint(2, 4)):
            seen = [round(w + rng.gauss(0, 0.7)) for w in worth]  # rounded: some are tied
            places = sorted(set(seen), reverse=True)
            rankings.append(
                MeasuredRanking(member, {r: 1 + places.index(v) for r, v in enumerate(seen)})
            )
        made.append(rankings)
    return made


def tau_of_scipy(prompts: Sequence[Sequence[MeasuredRanking]]) -> float:
    found = [
        scipy.stats.kendalltau(
            *([one.ranks[r] for r in sorted(one.ranks)] for one in two)
        ).statistic
        for ranked in prompts
        for two in combinations(ranked, 2)
    ]
    return float(np.nanmean(found))


def w_of_scipy(prompts: Sequence[Sequence[MeasuredRanking]]) -> float:
    """Return W, which is Friedman's statistic divided by m (n - 1)."""
    found = []
    for ranked in prompts:
        columns = list(
            zip(*([one.ranks[r] for r in sorted(one.ranks)] for one in ranked), strict=True)
        )
        statistic = scipy.stats.friedmanchisquare(*columns).statistic
        found.append(statistic / (len(ranked) * (len(columns) - 1)))
    return float(np.mean(found))


def alpha_of_krippendorff(prompts: Sequence[Sequence[MeasuredRanking]]) -> float:
    members = sorted({one.member for ranked in prompts for one in ranked})
    columns = [
        [
            {one.member: one.ranks[r] for one in ranked if one.ranks[r] != UNRANKED}.get(
                m, math.nan
            )
            for m in members
        ]
        for ranked in prompts
        for r in ranked[0].ranks
    ]
    return krippendorff.alpha(np.array(columns).T, level_of_measurement="ordinal")


def test_the_figures_are_those_of_the_libraries() -> None:
    prompts = simulated(40)
    found = figures(*prompts)
    assert found["tau_b"].value == pytest.approx(tau_of_scipy(prompts))
    assert found["w"].value == pytest.approx(w_of_scipy(prompts))
    assert found["alpha"].value == pytest.approx(alpha_of_krippendorff(prompts))
    missing = [
        [
            one._replace(ranks={r: UNRANKED if k == 3 else k for r, k in one.ranks.items()})
            for one in ranked
        ]
        for ranked in prompts
    ]
    assert figures(*missing)["alpha"].value == pytest.approx(alpha_of_krippendorff(missing))
    for name in NAMES:
        figure = found[name]
        assert figure.value is not None
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low < figure.value < figure.high


@pytest.fixture
def pandalm(project: Project) -> list[list[MeasuredRanking]]:
    with open_ranking_file(str(PANDALM)) as file:
        import_lines(project, file, report=lambda bad: pytest.fail(str(bad)))
    return list(rankings_by_prompt(project))


def test_real_annotators_agree_as_their_authors_say(pandalm: list[list[MeasuredRanking]]) -> None:
    """Two of PandaLM's three annotators agree on 93 % of the pairs that both ranked apart."""
    found: LabellerAgreement = measure(pandalm)
    assert (found.rankings, found.labellers, found.prompts, found.shared_prompts) == (
        219, 3, 73, 73
    )  # fmt: skip
    named = found.named()
    assert named["agreement"].value == pytest.approx(0.93, abs=0.005)
    assert named["tau_b"].value == pytest.approx(tau_of_scipy(pandalm))
    assert named["alpha"].value == pytest.approx(alpha_of_krippendorff(pandalm))
    assert named["w"].prompts <= 73


def test_agreement_is_what_a_training_run_calls_so() -> None:
    prompts = simulated(40)
    counted = [
        agree_on_prompt(
            np.array([one.member for one in ranked], np.int32),
            [np.array(list(one.ranks), np.int32) for one in ranked],
            [np.array(list(one.ranks.values()), np.int32) for one in ranked],
        )
        for ranked in prompts
    ]
    agreed, pairs = np.sum(counted, axis=0)
    found = figures(*prompts)["agreement"]
    assert (found.value, found.count) == (agreed / pairs, pairs)


def test_many_different_prompts_are_drawn_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelapp.quality.bootstrap.CELLS", 40)
    few = measure(simulated(12)).named()["agreement"]
    monkeypatch.undo()
    whole = measure(simulated(12)).named()["agreement"]
    assert BOOTSTRAP_SAMPLES > 40
    assert (few.low, few.high) == pytest.approx((whole.low, whole.high), abs=0.02)
