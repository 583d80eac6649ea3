"""Labellers compared with gold rankings and with themselves, worked out by hand."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.labelling import controls
from labelapp.models import Assignment, Member, Origin, Project, Prompt, Ranking
from labelapp.quality.coefficients import measure
from labelapp.quality.control_checks import CONSISTENCY, GOLD, ControlCheck, checks_by_prompt
from labelapp.quality.rankings import rankings_by_prompt
from labelapp.quality.results import Figure, LabellerFigures
from tests.conftest import AddPrompt, AddRanking


def people(project: Project) -> dict[int | None, LabellerFigures]:
    found = measure(rankings_by_prompt(project), checks_by_prompt(project)).people
    return {person.member: person for person in found}


def counted(figure: Figure) -> tuple[float | None, int, int]:
    return figure.value, figure.count, figure.prompts


def again(prompt: Prompt, member: Member, submitted: bool = True) -> None:
    """Give the prompt to the member again; `submitted` says whether they have ranked it."""
    Assignment.objects.create(
        prompt=prompt,
        member=member,
        order=[response.pk for response in prompt.responses.all()],
        expires_at=timezone.now(),
        submitted_at=timezone.now() if submitted else None,
        repeat=True,
    )


REPEATED: dict[str, object] = {"origin": Origin.REPEATED, "is_current": False, "surplus": True}


def test_a_labeller_is_compared_with_the_latest_ranking_they_made_again(
    project: Project, ann: Member, bob: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    prompt, other = add_prompt(), add_prompt("Other?")
    again(prompt, ann)
    add_ranking(prompt, ann, (4, 3, 2, 1), is_current=False)
    add_ranking(prompt, ann, (4, 3, 2, 1), version=2, **REPEATED)
    add_ranking(prompt, ann, (1, 2, 3, 4), version=3)
    add_ranking(prompt, ann, (2, 1, 3, 3), version=4, **REPEATED)
    add_ranking(prompt, bob, (4, 3, 2, 1))
    again(other, bob)
    add_ranking(other, bob, (1, 2, 3, 4))
    add_ranking(other, bob, (1, 2, 3, 4), version=2, **REPEATED)
    found = people(project)
    # Ann's AB turned, AC, AD, BC and BD stayed, CD was tied. Bob's six stayed.
    assert counted(found[ann.pk].consistency) == (4 / 5, 5, 1)
    assert counted(found[bob.pk].consistency) == (1, 6, 1)
    assert counted(found[None].consistency) == (10 / 11, 11, 2)
    assert found[ann.pk].consistency.why_not.startswith("Fewer than 5 prompts")
    assert (found[ann.pk].rankings, found[None].agreement.count) == (1, 6)


def test_what_was_undone_is_not_compared(
    project: Project, ann: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    prompt = add_prompt()
    again(prompt, ann, submitted=False)
    add_ranking(prompt, ann, (1, 2, 3, 4))
    add_ranking(prompt, ann, (1, 2, 3, 4), version=2, **REPEATED)
    assert list(checks_by_prompt(project)) == []
    Assignment.objects.update(submitted_at=timezone.now())
    assert len(list(checks_by_prompt(project))) == 1
    Ranking.objects.update(is_current=False)  # the first one was undone
    assert list(checks_by_prompt(project)) == []


def test_labellers_are_compared_with_gold_rankings_of_others(
    project: Project,
    ann: Member,
    bob: Member,
    manager: Member,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
) -> None:
    prompt, other = add_prompt(), add_prompt("Other?")
    controls.mark_gold(add_ranking(prompt, bob, (1, 2, 3, 3)))
    controls.mark_gold(add_ranking(other, manager, (1, 2, 3, 4), origin=Origin.ADJUDICATED))
    add_ranking(prompt, ann, (2, 1, 3, 4), surplus=True)
    add_ranking(prompt, ann, (1, 2, 3, 4), is_current=False, version=2)
    add_ranking(prompt, manager, (1, 2, 3, 4), origin=Origin.ADJUDICATED)
    add_ranking(other, ann, (4, 3, 2, 1))
    found = people(project)
    # Of the five that Bob ranked apart Ann turned AB; of the manager's six she turned all.
    assert counted(found[ann.pk].gold) == (4 / 11, 11, 2)
    assert counted(found[None].gold) == (4 / 11, 11, 2)
    assert found[ann.pk].gold.chance == 0.5
    assert found[bob.pk].gold.why_not == "No gold prompt ranked yet."


def test_a_gold_ranking_that_was_replaced_still_measures(
    project: Project, ann: Member, bob: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    prompt = add_prompt()
    controls.mark_gold(add_ranking(prompt, bob, (1, 2, 3, 4)))
    Ranking.objects.update(is_current=False)
    add_ranking(prompt, bob, (4, 3, 2, 1), version=2)
    add_ranking(prompt, ann, (1, 2, 3, 4))
    (checks,) = checks_by_prompt(project)
    assert [check.member for check in checks] == [ann.pk]
    assert checks[0].ranks == checks[0].reference


def test_an_interval_comes_with_five_prompts(
    project: Project, ann: Member, bob: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    for i in range(5):
        prompt = add_prompt(f"{i}?")
        controls.mark_gold(add_ranking(prompt, bob, (1, 2, 3, 4)))
        add_ranking(prompt, ann, (1, 2, 3, 4) if i else (4, 3, 2, 1))
    figure = people(project)[ann.pk].gold
    assert counted(figure) == (4 / 5, 30, 5)
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low < 4 / 5 < figure.high


@pytest.mark.parametrize("kind", [CONSISTENCY, GOLD])
def test_what_was_tied_throughout_says_so(kind: str) -> None:
    tied = ControlCheck(kind, 1, {1: 1, 2: 1}, {1: 1, 2: 2})
    for person in measure([], [[tied]]).people:
        figure: Figure = getattr(person, kind)
        assert figure.why_not == "In every pair, at least one of the two rankings is a tie."
        assert (person.rankings, figure.value) == (0, None)


def test_checks_take_three_queries_however_many(
    project: Project, ann: Member, bob: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    for i in range(6):
        prompt = add_prompt(f"{i}?")
        controls.mark_gold(add_ranking(prompt, bob, (1, 2, 3, 4)))
        add_ranking(prompt, ann, (1, 2, 3, 4))
        again(prompt, ann)
        add_ranking(prompt, ann, (1, 2, 3, 4), version=2, **REPEATED)
        with CaptureQueriesContext(connection) as queries:
            assert len(list(checks_by_prompt(project))) == 2 * (i + 1)
        assert len(queries) == 3


def test_another_projects_checks_stay_out(
    project: Project, ann: Member, bob: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    prompt = add_prompt()
    controls.mark_gold(add_ranking(prompt, bob, (1, 2, 3, 4)))
    add_ranking(prompt, ann, (1, 2, 3, 4))
    other = Project.objects.create(name="Garden", slug="garden")
    assert list(checks_by_prompt(other)) == []


def test_figures_of_an_earlier_version_can_still_be_read() -> None:
    person = LabellerFigures.from_json(
        {"member": 1, "rankings": 2, "median_seconds": None}
        | {name: {"name": name, "unit": ""} for name in ("agreement", "ties", "first", "longer")}
    )
    assert person.gold.why_not == person.consistency.why_not == "Measure again to see it."
