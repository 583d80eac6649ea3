"""The runs that the review offers."""

from django.utils import timezone

from labelapp.models import Alias, AliasMove, Member, ModelVersion, Project, TrainingRun
from labelapp.reviewing.run_choice import NEWEST, runs_to_choose
from tests.conftest import sign_in
from tests.labelapp.reviewing.scored import URL


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
