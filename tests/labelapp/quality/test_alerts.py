"""Alarms: simulated labellers with a fault are found, honest ones are not."""

import random
from datetime import timedelta

import pytest
from django.utils import timezone

from benchmarks.alarms import FAULTS, Labeller, SimulatedPrompt, rates, said
from labelapp.models import Assignment, Member, Placement, Project, Ranking, Role, hash_responses
from labelapp.quality.alerts import same_order
from labelapp.quality.coefficients import measure
from labelapp.quality.labeller_stats import no_places
from labelapp.quality.rankings import rankings_by_prompt
from labelapp.quality.results import Agreement
from tests.conftest import AddPrompt, join

CAMPAIGNS = 20


def test_labellers_with_a_fault_are_found_and_honest_ones_are_not() -> None:
    came = rates(CAMPAIGNS, FAULTS, seed=1)
    shares = {fault: came.found[fault] / came.there[fault] for fault in FAULTS}
    assert min(shares.values()) >= 0.9, shares
    assert sum(came.found.values()) / (len(FAULTS) * CAMPAIGNS) >= 0.95, shares
    assert came.called / came.there[""] <= 0.02, came.mistaken


def test_a_few_rankings_raise_no_alarm() -> None:
    random.seed(2)
    labellers = [Labeller(n, fault) for n, fault in enumerate(["", *FAULTS])]
    prompts = [SimulatedPrompt(0, 5) for _ in range(19)]
    assert said([[one.rank(prompt) for one in labellers] for prompt in prompts], []) == {}


def test_who_is_given_short_texts_is_not_called_fast() -> None:
    random.seed(3)
    usual = [Labeller(n, speed=0.0) for n in range(4)]
    short = Labeller(9, speed=0.0)
    prompts = [[one.rank(SimulatedPrompt(5, 5)) for one in usual] for _ in range(40)]
    prompts += [[short.rank(SimulatedPrompt(0, 5))] for _ in range(40)]
    prompts += [[usual[0].rank(SimulatedPrompt(0, 5))] for _ in range(40)]
    assert said(prompts, []) == {}


def test_one_order_of_places_is_told_from_chance() -> None:
    always, never = no_places(), no_places()
    always[:4, :4] = [[0, 0, 30, 30], [30, 0, 30, 30], [0, 0, 0, 0], [0, 0, 30, 0]]
    assert same_order(always) == 1
    never[:2, :2] = [[0, 15], [15, 0]]
    assert same_order(never) < 0
    assert same_order(no_places()) == 0


@pytest.fixture
def campaign(project: Project, add_prompt: AddPrompt) -> dict[str, Member]:
    """24 prompts that four rank: one prefers the first shown, one ranks in five seconds."""
    random.seed(4)
    people = {name: join(project, name, Role.LABELLER) for name in ("ann", "bob", "cem", "first")}
    for n in range(24):
        prompt = add_prompt(f"{n}?", responses=[f"{i} {'word ' * (i + n)}" for i in range(5)])
        responses = list(prompt.responses.order_by("pk"))
        for name, member in people.items():
            order = random.sample([response.pk for response in responses], 5)
            worth = {r.pk: random.gauss(place, 1) for place, r in enumerate(responses)}
            by = order if name == "first" else sorted(order, key=worth.__getitem__)
            seconds = 5 if name == "bob" else 60 * random.uniform(0.7, 1.5)
            Assignment.objects.create(
                prompt=prompt,
                member=member,
                order=order,
                expires_at=timezone.now() + timedelta(hours=1),
                submitted_at=timezone.now(),
            )
            ranking = Ranking.objects.create(
                prompt=prompt,
                member=member,
                responses_hash=hash_responses(response.content_hash for response in responses),
                seconds=seconds,
            )
            Placement.objects.bulk_create(
                Placement(ranking=ranking, response_id=pk, rank=rank)
                for rank, pk in enumerate(by, 1)
            )
    return people


def test_from_the_database_to_what_is_said_of_each(
    campaign: dict[str, Member], project: Project
) -> None:
    found = measure(rankings_by_prompt(project))
    raised = {one.member: {alarm.kind for alarm in one.alarms} for one in found.people}
    kinds = {name: raised[member.pk] for name, member in campaign.items()}
    assert kinds["ann"] == kinds["cem"] == set()
    assert kinds["bob"] == {"speed"}
    assert "place" in kinds["first"]
    texts = [alarm.text for person in found.people for alarm in person.alarms]
    assert any("Takes 5\u00a0s for a ranking, by the median of 24." in text for text in texts)
    assert any("shown first in 100\u202f% of 240 comparisons" in text for text in texts)
    assert Agreement.from_json(found.to_json()).people[0].alarms == found.people[0].alarms
