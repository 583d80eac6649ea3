"""The agreement of every two raters, with ties as a third answer."""

import numpy as np
import pytest

from labelapp.reviewing.rater_matrix import RaterSums, interval
from labelapp.reviewing.records import ADJUDICATED, ScoredPrompt, ScoredResponse
from labelapp.reviewing.results import Rater, RaterAgreement
from labelapp.reviewing.rewards import RewardRecorder
from training.rankings import UNRANKED, Ranking


def prompt(
    number: int,
    rankings: list[tuple[int, tuple[int, ...]]],
    *,
    rewards: tuple[float, ...] = (3, 2, 1),
) -> ScoredPrompt:
    """A prompt with three responses, of which the first is the longest with the fewest words."""
    responses = {
        10 * number + place: ScoredResponse("", 30 - place, 1 + place, reward)
        for place, reward in enumerate(rewards)
    }
    keys = tuple(responses)
    return ScoredPrompt(
        number, True, responses, [(member, Ranking(keys, ranks)) for member, ranks in rankings]
    )


def matrix(sums: RaterSums) -> dict[tuple[str, str], tuple[int, int]]:
    raters, _ = sums.shown()
    names = [str(one.member or one.run or one.kind) for one in raters]
    return {
        (names[one.first], names[one.second]): (one.agreed, one.comparisons)
        for one in sums.agreements(raters)
    }


def test_a_tie_is_a_third_answer() -> None:
    sums = RaterSums()
    given = [(1, (1, 2, 3)), (2, (1, 2, 2)), (3, (1, UNRANKED, UNRANKED)), (ADJUDICATED, (2, 1, 1))]
    sums.record(prompt(1, given), of_model=True)
    found = matrix(sums)
    assert found["1", "2"] == (2, 3)
    assert found["2", "3"] == (2, 2)  # the two that the third left unranked are not compared
    assert found["2", "adjudicated"] == (1, 3)  # only that the last two are tied
    assert found["1", "model"] == (3, 3)
    assert found["1", "longer"] == (3, 3)
    assert found["1", "words"] == (0, 3)
    assert found["longer", "words"] == (0, 3)


def test_the_model_is_measured_on_the_prompts_that_it_held_out() -> None:
    sums = RaterSums()
    sums.record(prompt(1, [(1, (1, 2, 3))]), of_model=False)
    sums.record(prompt(2, [(1, (3, 2, 1))]), of_model=True)
    assert matrix(sums)["1", "model"] == (0, 3)
    assert matrix(sums)["1", "longer"] == (3, 6)


def test_models_of_other_runs_are_raters_where_they_have_rewards() -> None:
    sums = RaterSums([70, 60])
    first, second = prompt(1, [(1, (1, 2, 3))]), prompt(2, [(1, (1, 2, 3))])
    one, two, three = first.responses
    first.by_run.update({60: {one: 1.0, two: 2.0, three: 0.0}, 70: {one: 1.0, two: 1.0}})
    sums.record(first, of_model=True)
    sums.record(second, of_model=True)
    assert [one.run or one.kind for one in sums.shown()[0]] == [
        "person", "model", 70, 60, "longer", "words",
    ]  # fmt: skip
    found = matrix(sums)
    assert found["1", "60"] == (2, 3)
    assert found["1", "70"] == (0, 1)  # a tie, of the two that have a reward
    assert found["model", "60"] == (2, 3)


def test_two_rankings_of_a_labeller_on_one_prompt_count_once() -> None:
    both = prompt(1, [(1, (1, 2, 3))])
    keys = tuple(both.responses)
    both.rankings.append((1, Ranking(keys[:2], (1, 2))))
    sums = RaterSums()
    sums.record(both, of_model=True)
    assert matrix(sums)["1", "model"] == (3, 3)


def test_people_with_the_most_rankings_are_shown() -> None:
    sums = RaterSums()
    for number in range(1, 31):
        members = [(member, (1, 2, 3)) for member in range(1, number + 1)]
        sums.record(prompt(number, members), of_model=True)
    raters, more = sums.shown()
    people = [one for one in raters if one.kind == "person"]
    assert people == [Rater("person", member) for member in range(1, 21)]
    assert more == 10
    assert [one.kind for one in raters[20:]] == ["model", "longer", "words"]


def test_the_intervals_cover_the_truth() -> None:
    """In about 95 % of 300 draws, with prompts that are more or less clear: at least 92 %."""
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        clear = random.beta(6, 2, size=120)  # of agreement on a prompt; its mean is 0.75
        pairs = random.integers(1, 10, size=120).astype(float)
        agreed = random.binomial(pairs.astype(int), clear).astype(float)
        low, high = interval(
            agreed.sum(), pairs.sum(), (agreed**2).sum(), (agreed * pairs).sum(),
            (pairs**2).sum(), 120,
        )  # fmt: skip
        covered += low <= 0.75 <= high
    assert 0.92 <= covered / 300 <= 0.98


@pytest.mark.parametrize("prompts", [4, 8])
def test_the_intervals_of_few_prompts_cover_the_truth_too(prompts: int) -> None:
    """In 95 % or more of 1000 draws: at least 93 % (without Student's quantile, 88 to 91 %)."""
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(1000):
        clear = random.beta(1.4, 0.6, size=prompts)
        pairs = random.integers(3, 11, size=prompts).astype(float)
        agreed = random.binomial(pairs.astype(int), clear).astype(float)
        low, high = interval(
            agreed.sum(), pairs.sum(), (agreed**2).sum(), (agreed * pairs).sum(),
            (pairs**2).sum(), prompts,
        )  # fmt: skip
        covered += low <= 0.7 <= high
    assert covered / 1000 >= 0.93


def test_agreement_on_everything_is_still_uncertain() -> None:
    low, high = interval(30, 30, 90, 90, 90, 10)
    assert high == pytest.approx(1)
    assert low == pytest.approx(0.722, abs=1e-3)  # Wilson's of 10 of 10


def test_agreement_has_a_share() -> None:
    assert RaterAgreement(0, 1, 3, 4, 2, 0.1, 0.9).share == 0.75


def test_rewards_by_rank_and_by_length() -> None:
    recorder = RewardRecorder()
    for number in range(1, 9):
        lift = number / 10
        recorder.record(
            prompt(number, [(1, (1, 2, UNRANKED))], rewards=(3 + lift, 2 + lift, 1 + lift))
        )
    first, second = recorder.rank_rewards(1.0)
    assert (first.rank, first.placements) == (1, 8)
    assert first.mean.value == pytest.approx(2.45)
    assert first.mean.low is not None
    assert first.mean.low == pytest.approx(2.275)  # of 8 prompts, the lowest draw
    assert (second.rank, second.mean.value) == (2, pytest.approx(1.45))
    found = recorder.length_rewards(1.0)
    assert found.responses == len(found.points) == 24
    assert found.within is not None
    assert found.within.value == pytest.approx(-1)  # each word less is a reward more
    assert found.correlation is not None
    assert -1 < found.correlation.value < -0.9


def test_without_responses_there_are_no_figures() -> None:
    recorder = RewardRecorder()
    assert recorder.rank_rewards(0.0) == []
    assert recorder.length_rewards(0.0).correlation is None
