"""The runs that the review offers."""

import json
from pathlib import Path
from typing import Any

from django.utils import timezone

from labelapp.models import (
    Alias,
    AliasMove,
    Member,
    ModelVersion,
    Project,
    Prompt,
    PromptAgreement,
    TrainingRun,
)
from labelapp.reviewing.figures import measure
from labelapp.reviewing.records import scored_prompts
from labelapp.reviewing.results import Review
from labelapp.reviewing.run_choice import NEWEST, runs_to_choose
from tests.conftest import sign_in
from tests.labelapp.reviewing.scored import URL, score


def scored_run(project: Project) -> TrainingRun:
    return TrainingRun.objects.create(project=project, state="done", finished_at=timezone.now())


def make_champion(run: TrainingRun, number: int) -> None:
    version = ModelVersion.objects.create(project=run.project, number=number, run=run)
    AliasMove.objects.create(
        project=run.project, alias=Alias.CHAMPION, version=version, reason="It is better."
    )


def test_the_champion_and_the_run_on_the_page_are_always_offered(
    run: TrainingRun, manager: Member
) -> None:
    former, champion, shown = (scored_run(run.project) for _ in range(3))
    make_champion(former, 1)
    make_champion(champion, 2)
    newest = [scored_run(run.project) for _ in range(NEWEST)]
    assert runs_to_choose(shown) == [*reversed(newest), shown, champion]
    assert runs_to_choose(champion) == [*reversed(newest), champion]
    page = sign_in(manager).get(URL).content.decode()
    choices = page.split('id="run"')[1].split("</select>")[0]
    assert f'<option value="{champion.pk}"' in choices
    assert f'<option value="{former.pk}"' not in choices
    assert 'href="/projects/kitchen/runs/">All runs</a>' in page


def test_other_runs_are_raters_on_what_they_held_out(
    prompts: list[Prompt],
    run: TrainingRun,
    tmp_path: Path,
    django_assert_num_queries: Any,
) -> None:
    """The champion first, then pinned and newer ones; not those that held out too little."""
    others = [scored_run(run.project) for _ in range(8)]
    for other in others:
        upside_down = {
            score.response_id: -score.reward for score in run.scores.order_by("response_id")
        }
        score(other, tmp_path / str(other.pk), upside_down)
        few = 4 if other == others[7] else 5
        first = [prompt.pk for prompt in prompts[:few]]
        PromptAgreement.objects.filter(run=other, prompt__in=first).update(held_out=True)
    TrainingRun.objects.filter(pk=others[2].pk).update(is_pinned=True)
    make_champion(others[0], 1)
    found = measure(run)[0]
    chosen = [others[place].pk for place in (0, 2, 6, 5, 4)]
    assert [one.run for one in found.raters if one.kind == "run"] == chosen
    assert found.more_runs == 3
    names = [one.run or one.kind for one in found.raters]
    by_place = {(one.first, one.second): one for one in found.agreements}
    against = by_place[names.index("model"), names.index(others[0].pk)]
    assert (against.agreed, against.comparisons, against.prompts) == (0, 5 * 6, 5)
    with django_assert_num_queries(3 + 2):
        list(scored_prompts(run, chosen[:2]))
    assert Review.from_json(json.loads(json.dumps(found.to_json()))) == found
