"""Delete a run with its scores and files, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from labelapp.models import (
    Member,
    Project,
    Prompt,
    PromptAgreement,
    Ranking,
    Response,
    Score,
    State,
    TrainingRun,
    User,
)
from labelapp.runs import lifecycle, process
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db

RUNS = "/projects/kitchen/runs/"


def add_run(project: Project, prompt: Prompt, number: int, tokens: str = "both") -> TrainingRun:
    """A finished run with scores, a folder and cached tokens."""
    run = TrainingRun.objects.create(
        project=project,
        state=State.DONE,
        finished_at=timezone.now(),
        folder=f"runs/{number}-x",
        manifest={"tokens_key": tokens},
    )
    folder = process.run_folder(run)
    folder.model.mkdir(parents=True)
    (folder.model / "model.safetensors").write_text("weights")
    folder.write_manifest(run.manifest)
    (folder.token_cache / tokens).mkdir(parents=True, exist_ok=True)
    for response in prompt.responses.all():
        Score.objects.create(run=run, response=response, reward=1.0)
    PromptAgreement.objects.create(
        run=run, prompt=prompt, comparisons=1, against=0, disagreement=0.0, held_out=True
    )
    return run


@pytest.fixture
def runs(
    project: Project, add_prompt: Any, add_ranking: Any, labeller: Member
) -> list[TrainingRun]:
    """Two finished runs of one project, the older one first."""
    prompt = add_prompt("Why?")
    add_ranking(prompt, labeller, [1, 2, 3, 4])
    return [add_run(project, prompt, number) for number in (1, 2)]


def files_of(run: TrainingRun) -> list[Path]:
    return sorted(process.run_folder(run).path.rglob("*"))


def test_a_run_goes_with_its_scores_and_files_and_nothing_else(
    runs: list[TrainingRun], manager: Member
) -> None:
    old, new = runs
    client, url = sign_in(manager), f"{RUNS}{old.pk}/delete/"
    kept = [model.objects.count() for model in (Prompt, Response, Ranking, Member)]
    scores, files = list(new.scores.values_list("pk", flat=True)), files_of(new)
    page = client.get(url).content.decode()
    assert "its 4 scores" in page
    assert TrainingRun.objects.count() == 2  # looking deletes nothing
    answer = client.post(url, follow=True)
    assert "was deleted with its files" in answer.content.decode()
    assert list(TrainingRun.objects.all()) == [new]
    assert list(Score.objects.values_list("pk", flat=True)) == scores
    assert PromptAgreement.objects.get().run == new
    assert [model.objects.count() for model in (Prompt, Response, Ranking, Member)] == kept
    assert not process.run_folder(old).path.exists()
    assert files_of(new) == files
    assert (process.run_folder(new).token_cache / "both").is_dir()  # the other one uses them
    assert client.post(url).status_code == 404


def test_tokens_that_no_other_run_uses_go_too(
    runs: list[TrainingRun], project: Project, manager: Member
) -> None:
    own = add_run(project, Prompt.objects.get(), 3, tokens="own")
    add_run(project, Prompt.objects.get(), 4)
    lifecycle.delete(own)
    cache = process.run_folder(own).token_cache
    assert sorted(path.name for path in cache.iterdir()) == ["both"]


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
def test_a_run_in_progress_is_not_deleted(
    runs: list[TrainingRun], manager: Member, state: State
) -> None:
    old = runs[0]
    TrainingRun.objects.filter(pk=old.pk).update(
        state=state, finished_at=None, heartbeat_at=timezone.now()
    )
    answer = sign_in(manager).post(f"{RUNS}{old.pk}/delete/")
    assert answer.status_code == 422
    assert "Stop it, then delete it." in answer.content.decode()
    assert TrainingRun.objects.count() == 2
    assert files_of(old)


def test_the_run_whose_scores_are_reviewed_is_not_deleted(
    runs: list[TrainingRun], manager: Member
) -> None:
    new = runs[1]
    answer = sign_in(manager).post(f"{RUNS}{new.pk}/delete/")
    assert answer.status_code == 422
    assert "Review shows the scores of run" in answer.content.decode()
    with pytest.raises(lifecycle.CannotDeleteError):
        lifecycle.delete(new)
    assert TrainingRun.objects.count() == 2
    assert files_of(new)


def test_a_model_that_another_run_begins_with_is_not_deleted(
    runs: list[TrainingRun], manager: Member
) -> None:
    old = runs[0]
    model = str(process.run_folder(old).model)
    user = TrainingRun.objects.create(project=old.project, config={"model": model})
    answer = sign_in(manager).post(f"{RUNS}{old.pk}/delete/")
    assert f"Run {user.pk} begins with the model of this one." in answer.content.decode()
    assert files_of(old)


def test_only_managers_delete(
    runs: list[TrainingRun], reviewer: Member, labeller: Member, outsider: User, manager: Member
) -> None:
    url = f"{RUNS}{runs[0].pk}/delete/"
    for user, status in ((reviewer, 403), (labeller, 403), (outsider, 404)):
        assert sign_in(user).get(url).status_code == status
        assert sign_in(user).post(url).status_code == status
    Project.objects.create(name="Attic", slug="attic")
    manager.user.is_superuser = True
    manager.user.save()
    elsewhere = url.replace("kitchen", "attic")
    assert sign_in(manager).post(elsewhere).status_code == 404
    assert TrainingRun.objects.count() == 2
