"""Alerts find simulated labellers with a fault, and do not flag honest ones."""

import random
from datetime import timedelta

import pytest
from django.utils import timezone, translation

from benchmarks.alerts import FAULTS, Labeller, SimulatedPrompt, measured_alerts, rates
from labelapp.models import Assignment, Member, Placement, Project, Ranking, Role, hash_responses
from labelapp.quality.alerts import place_effect
from labelapp.quality.coefficients import measure
from labelapp.quality.labeller_stats import no_wins
from labelapp.quality.rankings import rankings_by_prompt
from labelapp.quality.results import LabellerAgreement
from tests.conftest import AddPrompt, join

CAMPAIGNS = 20


def test_labellers_with_a_fault_are_found_and_honest_ones_are_not() -> None:
    result = rates(CAMPAIGNS, FAULTS, seed=1)
    shares = {fault: result.found[fault] / result.labellers[fault] for fault in FAULTS}
    assert min(shares.values()) >= 0.9, shares
    assert sum(result.found.values()) / (len(FAULTS) * CAMPAIGNS) >= 0.95, shares
    assert result.flagged / result.labellers[""] <= 0.02, result.mistaken


def test_a_few_rankings_raise_no_alert() -> None:
    random.seed(2)
    labellers = [Labeller(n, fault) for n, fault in enumerate(["", *FAULTS])]
    prompts = [SimulatedPrompt(0, 5) for _ in range(19)]
    assert (
        measured_alerts([[one.rank(prompt) for one in labellers] for prompt in prompts], []) == {}
    )


def test_who_is_given_short_texts_is_not_called_fast() -> None:
    random.seed(3)
    usual = [Labeller(n, speed=0.0) for n in range(4)]
    short = Labeller(9, speed=0.0)
    prompts = [[one.rank(SimulatedPrompt(5, 5)) for one in usual] for _ in range(40)]
    prompts += [[short.rank(SimulatedPrompt(0, 5))] for _ in range(40)]
    prompts += [[usual[0].rank(SimulatedPrompt(0, 5))] for _ in range(40)]
    assert measured_alerts(prompts, []) == {}


def test_one_order_of_places_is_told_from_chance() -> None:
    always, never = no_wins(), no_wins()
    always[:4, :4] = [[0, 0, 30, 30], [30, 0, 30, 30], [0, 0, 0, 0], [0, 0, 30, 0]]
    assert place_effect(always) == 1
    never[:2, :2] = [[0, 15], [15, 0]]
    assert place_effect(never) < 0
    assert place_effect(no_wins()) == 0


@pytest.fixture
def campaign(project: Project, add_prompt: AddPrompt) -> dict[str, Member]:
    """24 prompts ranked by four labellers: one prefers the first response, and one is fast."""
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


def test_alerts_of_a_campaign_in_the_database(
    campaign: dict[str, Member], project: Project
) -> None:
    found = measure(rankings_by_prompt(project))
    kinds_of = {one.member: {alert.kind for alert in one.alerts} for one in found.people}
    kinds = {name: kinds_of[member.pk] for name, member in campaign.items()}
    assert kinds["ann"] == kinds["cem"] == set()
    assert kinds["bob"] == {"speed"}
    assert "place" in kinds["first"]
    texts = [alert.sentence for person in found.people for alert in person.alerts]
    assert any("Takes 5\u00a0s per ranking (median of 24)." in text for text in texts)
    assert any("shown first in 100\u202f% of 240 comparisons" in text for text in texts)
    assert LabellerAgreement.from_json(found.to_json()).people[0].alerts == found.people[0].alerts
    with translation.override("de"):
        assert any(
            "in 100\u202f% von 240 Vergleichen die zuerst gezeigte" in alert.sentence
            for person in found.people
            for alert in person.alerts
        )
    stored = found.to_json()["people"][0]
    assert "alarms" in stored  # the key that earlier versions stored
    assert "alerts" not in stored
