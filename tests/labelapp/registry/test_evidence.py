"""The evidence for a promotion, against a count by hand, and the gates."""

import html
import random
import re
from collections import Counter, defaultdict
from itertools import permutations
from typing import Any

import pytest

from labelapp.models import Alias, Member, Project, PromotionGates, Prompt
from labelapp.models.people import ALTOGETHER
from labelapp.registry import gates, versions
from labelapp.registry.evidence import Evidence, evidence
from labelapp.runs.paired_bootstrap import Part, as_student, gains, paired_gains
from tests.conftest import sign_in
from tests.labelapp.registry.conftest import HELD_OUT, AddRun

pytestmark = pytest.mark.django_db

Scores = dict[Prompt, list[float]]


@pytest.fixture
def prompts(
    project: Project, add_prompt: Any, add_ranking: Any, ann: Member, bob: Member
) -> list[Prompt]:
    """Prompts that two people ranked, with responses of different length and source."""
    dice = random.Random(5)
    found = []
    for number in range(30):
        texts = [f"{n} {'word ' * dice.choice([1, 2, 3, 4, 5, 9, 20])}" for n in range(4)]
        prompt = add_prompt(f"Question {number}?", texts)
        prompt.responses.filter(source="model-3").update(source="")
        add_ranking(prompt, ann, [1, 2, 3, 4])
        add_ranking(prompt, bob, dice.choice([[1, 1, 2, 3], [4, 3, 2, 1], [2, 1, 3, 4]]))
        found.append(prompt)
    return found


def rewards(prompts: list[Prompt], seed: int) -> Scores:
    dice = random.Random(seed)
    return {prompt: [float(dice.randint(0, 4)) for _ in range(4)] for prompt in prompts}


def by_hand(prompts: list[Prompt], scores: Scores) -> dict[tuple[str, str], list[float]]:
    """Return how far the scores agree with each comparison, by slice, counted by hand."""
    found = defaultdict(list)
    for prompt in prompts:
        responses = list(prompt.responses.order_by("pk"))
        reward = dict(zip((one.pk for one in responses), scores[prompt], strict=True))
        for ranking in prompt.rankings.all():
            ranks = ranking.ranks()
            for better, worse in permutations(responses, 2):
                if ranks[better.pk] < ranks[worse.pk]:
                    lead = reward[better.pk] - reward[worse.pk]
                    right = (lead > 0) + 0.5 * (lead == 0)
                    found["", "all"].append(right)
                    found["labeller", ranking.member.name].append(right)
                    for source in {better.source, worse.source}:
                        found["source", source or "unknown source"].append(right)
                    if len(better.text) > 2 * len(worse.text):
                        found["length", "more than twice as long"].append(right)
    return found


def test_both_models_are_judged_on_what_neither_learned_from(
    prompts: list[Prompt], add_run: AddRun
) -> None:
    first, second = rewards(prompts, 1), rewards(prompts, 2)
    champion = add_run(first, trained_on=set(prompts[:5]))
    candidate = add_run(second, trained_on=set(prompts[3:8]))
    found = evidence(champion, candidate)
    held_out = prompts[8:]
    assert found.all_prompts == len(held_out)
    expected = by_hand(held_out, first), by_hand(held_out, second)
    assert found.whole is not None
    shown = {(one.kind, one.name): one for one in (found.whole, *found.slices)}
    for key, right in expected[0].items():
        one = shown[key]
        assert one.comparisons == len(right)
        assert one.champion == pytest.approx(sum(right) / len(right))
        assert one.candidate == pytest.approx(sum(expected[1][key]) / len(right))
        assert one.gain.value == pytest.approx(one.candidate - one.champion)
        low, high = one.champion_ends
        assert (low or 0) < one.champion < (high or 0)
        assert one.candidate_interval
        assert one.gain.low is not None
        assert one.gain.high is not None
        assert one.gain.low <= one.gain.value <= one.gain.high
    assert {heading for heading, _ in found.kinds} == {
        "Length of the better response", "Source", "Labeller",
    }  # fmt: skip  # all rankings have four responses, so that is no slice


def test_what_only_one_of_the_models_orders_rightly_is_counted(
    prompts: list[Prompt], add_run: AddRun, manager: Member
) -> None:
    first, second = rewards(prompts, 1), rewards(prompts, 2)
    champion, candidate = add_run(first), add_run(second)
    found = evidence(champion, candidate)
    keys = zip(by_hand(prompts, first)["", "all"], by_hand(prompts, second)["", "all"], strict=True)
    flips = Counter(keys)
    assert (found.gained, found.lost) == (flips[0.0, 1.0], flips[1.0, 0.0])
    assert found.gained != found.lost
    back = evidence(candidate, champion)
    assert (back.gained, back.lost) == (found.lost, found.gained)

    one, two = versions.register(champion), versions.register(candidate)
    versions.move(Alias.CHAMPION, one, project=one.project, seen=None, reason="The first.")
    client = sign_in(manager)
    page = client.get(f"/projects/kitchen/models/{two.number}/promote/").content.decode()
    for kind, number in (("gained", found.gained), ("lost", found.lost)):
        [(address, shown)] = re.findall(rf'<a href="([^"]+kind={kind}#flips)">([^<]+)</a>', page)
        assert shown == f"{number} comparisons"
        listed = client.get(html.unescape(address)).content.decode()
        assert f'kind={kind}#flips" aria-current="true"' in listed
        assert "There is no such pair." not in listed


def test_prompts_without_a_score_of_both_are_left_out(
    prompts: list[Prompt], add_run: AddRun
) -> None:
    champion = add_run(rewards(prompts[:10], 1))
    candidate = add_run(rewards(prompts[5:], 2))
    assert evidence(champion, candidate).all_prompts == 5
    apart = add_run(rewards(prompts[20:], 3))
    found = evidence(champion, apart)
    assert found == Evidence(champion, apart, None)
    assert gates.headline(found)[0].startswith("Not known. Only 0 ranked prompts are held out")


def test_responses_that_read_the_same_after_the_cut_are_not_compared(
    prompts: list[Prompt], add_run: AddRun
) -> None:
    champion, candidate = add_run(rewards(prompts, 1)), add_run(rewards(prompts, 2))
    whole = evidence(champion, candidate).whole
    assert whole is not None
    first, second = prompts[0].responses.order_by("pk")[:2]
    candidate.scores.filter(response=second).update(same_as=first.pk)
    fewer = evidence(champion, candidate).whole
    assert fewer is not None
    apart = sum(
        ranking.ranks()[first.pk] != ranking.ranks()[second.pk]
        for ranking in prompts[0].rankings.all()
    )
    assert fewer.comparisons == whole.comparisons - apart


def test_the_interval_of_a_part_is_that_of_a_comparison_of_runs() -> None:
    dice = random.Random(3)
    table = [(dice.randint(0, 6), dice.randint(0, 6), 6) for _ in range(40)]
    one = {f"{n:02}": (float(first), of) for n, (first, _, of) in enumerate(table)}
    other = {f"{n:02}": (float(second), of) for n, (_, second, of) in enumerate(table)}
    [expected] = gains(one, [other])
    differences = tuple(float(second - first) for first, second, _ in table)
    [found] = paired_gains([differences], [(6.0,) * 40])
    assert expected is not None
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )


def test_a_part_of_too_few_prompts_has_no_interval() -> None:
    differences, counts = (1.0, 1.0, 0.0, 0.0, 0.0, 0.0), (2.0, 2.0, 0.0, 0.0, 0.0, 0.0)
    [found] = paired_gains([differences], [counts])
    assert (found.value, found.low, found.high) == (0.5, None, None)


def test_no_interval_of_a_part_is_wider_than_accuracies_can_differ() -> None:
    found = Part(0.25, prompts=5, shares=[-0.5, 1.0] * 50).among(bound=3.0)
    assert (found.low, found.high) == (-1.0, 1.0)


def sliced_by_chance(dice: random.Random) -> tuple[list[Any], list[Any]]:
    """Two models that are equally good, on 40 prompts in ten slices that overlap."""
    whole = [float(dice.choice([-2, -1, 0, 1, 2])) for _ in range(40)]
    differences, counts = [tuple(whole)], [(6.0,) * 40]
    for _ in range(10):
        inside = [dice.random() < 0.4 for _ in whole]
        differences.append(
            tuple(one if here else 0.0 for one, here in zip(whole, inside, strict=True))
        )
        counts.append(tuple(6.0 if here else 0.0 for here in inside))
    return differences, counts


def test_slices_raise_a_false_alarm_in_five_percent_of_comparisons_together() -> None:
    dice, alarms, uncorrected = random.Random(1), 0, 0
    for number in range(200):
        differences, counts = sliced_by_chance(dice)
        _, *slices = paired_gains(differences, counts, samples=300)
        alarms += any(one.is_above_zero or one.is_below_zero for one in slices)
        if number >= 40:
            continue
        alone = [
            paired_gains([column], [of], samples=300)[0]
            for column, of in zip(differences[1:], counts[1:], strict=True)
        ]
        uncorrected += any(one.is_above_zero or one.is_below_zero for one in alone)
    assert alarms / 200 <= 0.08  # 5 %, and 2 standard deviations of such a share
    assert uncorrected / 40 > 0.2


@pytest.mark.parametrize(
    ("bound", "freedom", "exact"), [(1.96, 4, 2.776), (1.96, 30, 2.042), (3.0, 9, 4.094)]
)
def test_few_prompts_get_the_quantile_of_student(bound: float, freedom: int, exact: float) -> None:
    assert as_student(bound, freedom) == pytest.approx(exact, rel=0.01)


# Gates


def perfect_for(prompts: list[Prompt], length: bool = False) -> Scores:
    """Rewards in the order of ann's rankings, or by length."""
    if not length:
        return {prompt: [4.0, 3.0, 2.0, 1.0] for prompt in prompts}
    return {
        prompt: [float(len(one.text)) for one in prompt.responses.order_by("pk")]
        for prompt in prompts
    }


def test_gates_are_met_by_a_better_model_and_not_by_a_worse_one(
    prompts: list[Prompt], add_run: AddRun, project: Project
) -> None:
    good, bad = add_run(perfect_for(prompts)), add_run(perfect_for(prompts, length=True))
    asked = PromotionGates(project=project, beats_champion=True, most_points_lost=75)
    passed = gates.check(asked, good, evidence(bad, good))
    assert [gate.is_passed for gate in passed] == [True, True], passed
    failed = gates.check(asked, bad, evidence(good, bad))
    assert [gate.is_passed for gate in failed] == [False, True], failed
    strict = PromotionGates(project=project, most_points_lost=2)
    [gate] = gates.check(strict, bad, evidence(good, bad))
    assert not gate.is_passed
    assert gate.detail.startswith("better response less than half as long: −")
    assert gates.headline(evidence(bad, good))[1] == "clear"
    assert gates.headline(evidence(good, bad))[1] == "refused"
    assert gates.headline(evidence(good, good)) == (
        "Level with the champion on every held-out prompt.", "open",
    )  # fmt: skip


def test_a_slice_is_worse_with_its_whole_interval(
    prompts: list[Prompt], add_run: AddRun, project: Project
) -> None:
    good, bad = add_run(perfect_for(prompts)), add_run(perfect_for(prompts, length=True))
    found = evidence(good, bad)
    assert found.whole is not None
    ends = [one.gain.high for one in (found.whole, *found.slices) if one.gain.high is not None]
    certain = round(-100 * min(ends), 1)
    for most, is_passed in ((certain, True), (round(certain - 0.1, 1), False)):
        asked = PromotionGates(project=project, most_points_lost=most)
        [gate] = gates.check(asked, bad, found)
        assert gate.is_passed == is_passed


def test_the_gate_of_the_baselines_needs_no_champion(add_run: AddRun, project: Project) -> None:
    asked = PromotionGates(project=project, beats_baselines=True, beats_champion=True)
    [gate] = gates.check(asked, add_run(), None)
    assert gate.is_passed
    level = {"accuracy": 0.69, "gain": 0.01, "gain_low": -0.1, "gain_high": 0.1}
    baselines = {"longer_wins": level, "word_counts": HELD_OUT["baselines"]["word_counts"]}
    [gate] = gates.check(asked, add_run(held_out=HELD_OUT | {"baselines": baselines}), None)
    assert not gate.is_passed
    assert gate.detail == "It is not measurably better than always preferring the longer response."
    [gate] = gates.check(asked, add_run(held_out=HELD_OUT | {"prompts": 4}), None)
    assert not gate.is_passed


def test_too_few_prompts_meet_no_gate(
    prompts: list[Prompt], add_run: AddRun, project: Project
) -> None:
    champion, candidate = add_run(rewards(prompts[:4], 1)), add_run(rewards(prompts, 2))
    asked = PromotionGates(project=project, beats_champion=True, most_points_lost=5)
    for gate in gates.check(asked, candidate, evidence(champion, candidate)):
        assert not gate.is_passed
        assert gate.detail == "Only 4 ranked prompts are held out by both models: too few to tell."


def test_rankings_that_are_left_out_are_no_evidence(
    prompts: list[Prompt], add_run: AddRun, ann: Member
) -> None:
    champion, candidate = add_run(rewards(prompts, 1)), add_run(rewards(prompts, 2))
    Member.objects.filter(pk=ann.pk).update(excluded_from=ALTOGETHER)
    found = evidence(champion, candidate)
    assert {one.name for one in found.slices if one.kind == "labeller"} == set()  # bob alone
    assert found.whole is not None
    by_bob = by_hand(prompts, rewards(prompts, 1))["labeller", "bob"]
    assert found.whole.comparisons == len(by_bob)
