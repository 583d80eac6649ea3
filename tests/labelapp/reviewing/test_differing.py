"""The prompts on which two raters differ: those of the matrix, and those that its cells lead to."""

import random
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from django.http import QueryDict
from django.utils import timezone

from labelapp.models import Member, PromptAgreement, ReviewMeasurement, Role, State, TrainingRun
from labelapp.reviewing.figures import measure
from labelapp.reviewing.filters import Filter, filtered
from labelapp.reviewing.heat_map import heat_map
from labelapp.reviewing.rater_matrix import NONE, answers_on
from labelapp.reviewing.records import scored_prompts
from labelapp.reviewing.results import Rater
from tests.conftest import AddPrompt, AddRanking, join, sign_in
from tests.labelapp.reviewing.scored import URL, score
from training.rankings import UNRANKED


def draw_ranks(random: random.Random, count: int) -> list[int]:
    """Return ranks with ties, of which the last are sometimes unranked."""
    drawn = [random.randint(1, count) for _ in range(count)]
    dense = {rank: place for place, rank in enumerate(sorted(set(drawn)), start=1)}
    ranks = [dense[rank] for rank in drawn]
    most = random.randint(2, count)
    return [rank if rank <= most else UNRANKED for rank in ranks]


@pytest.fixture
def other(
    run: TrainingRun,
    manager: Member,
    labeller: Member,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    tmp_path: Path,
) -> TrainingRun:
    """Another run, with prompts that two of three people ranked and both runs scored."""
    drawn = random.Random(5)
    third = join(run.project, "third", Role.LABELLER)
    other = TrainingRun.objects.create(
        project=run.project, state=State.DONE, finished_at=timezone.now()
    )
    texts = [["One.", "Two two.", "Three."], ["Of four.", "B", "Cc", "D is longest."]]
    prompts = [add_prompt(f"Question {n}?", texts[n % 2]) for n in range(24)]
    for prompt in prompts:
        count = prompt.responses.count()
        for member in drawn.sample([manager, labeller, third], 2):
            add_ranking(prompt, member, draw_ranks(drawn, count))
    add_ranking(prompts[0], manager, [1, 1, 2], version=2, origin="adjudicated")
    responses = [pk for prompt in prompts for pk in prompt.responses.values_list("pk", flat=True)]
    for one in (run, other):
        rewards = {pk: float(drawn.randint(0, 3)) for pk in responses}
        score(one, tmp_path / str(one.pk), rewards)
        held_out = [prompt.pk for prompt in drawn.sample(prompts, 12)]
        PromptAgreement.objects.filter(run=one, prompt__in=held_out).update(held_out=True)
    return other


def differing_prompts(run: TrainingRun, other: TrainingRun) -> dict[frozenset[Rater], set[int]]:
    """Return the prompts on which two raters differ, by their answers in the matrix."""
    found: dict[frozenset[Rater], set[int]] = defaultdict(set)
    for prompt in scored_prompts(run, [other.pk]):
        answers = answers_on(prompt, of_model=prompt.held_out)
        for first, given in answers.items():
            for second, theirs in answers.items():
                if ((given != theirs) & (given != NONE) & (theirs != NONE)).any():
                    found[frozenset((first, second))].add(prompt.prompt)
    return found


def test_a_cell_of_the_matrix_leads_to_the_prompts_on_which_two_raters_differ(
    run: TrainingRun, other: TrainingRun, manager: Member, labeller: Member
) -> None:
    """With ties, unranked responses, an adjudicated ranking, and models that held some out."""
    expected = differing_prompts(run, other)
    review, _ = measure(run)
    members = dict(run.project.members.values_list("pk", "name"))
    rows = heat_map(review, run, members).rows
    linked = 0
    for rater, row in zip(review.raters, rows, strict=True):
        for column, url in zip(review.raters, row.differing, strict=True):
            if not url:
                continue
            query = QueryDict(url.partition("?")[2]).dict()
            assert query.pop("run") == str(run.pk)
            chosen: dict[str, Any] = {**query, "labeller": int(str(query["labeller"]))}
            found = set(filtered(run, Filter(**chosen)).values_list("prompt_id", flat=True))
            assert found == expected[frozenset((rater, column))], (rater, column)
            linked += 1
    # Three people with each other, and with the adjudicated ranking, two models and a rule.
    assert linked >= 2 * (3 + 3 * 3)
    now = timezone.now()
    ReviewMeasurement.objects.create(
        project=run.project, run=run, result=review.to_json(), state=State.DONE, started_at=now,
        finished_at=now,
    )  # fmt: skip
    browser = sign_in(manager)
    page = browser.get(f"{URL}figures/", {"run": run.pk}).content.decode()
    [link] = set(re.findall(rf'href="([^"]*labeller={labeller.pk}&amp;differs=longer[^"]*)"', page))
    listed = browser.get(link.replace("&amp;", "&")).content.decode()
    assert (
        f"{len(expected[frozenset((Rater('person', labeller.pk), Rater('longer')))])} of" in listed
    )
