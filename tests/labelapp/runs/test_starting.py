"""Starting a run: when it is not possible, and the form that does it."""

import re
import uuid

import pytest
from django.core.management import CommandError, call_command
from django_tasks_db.models import DBTaskResult

from labelapp.jobs import jobs
from labelapp.models import Member, Project, Prompt, State, TrainingRun
from labelapp.runs import lifecycle
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.runs.tiny import FORM, URL, start
from training.rankings import UNRANKED


@pytest.mark.parametrize(
    ("ranks", "count"),
    [
        ([], "are none"),
        ([[1, 1, 1, 1]] * 2, "are none"),
        ([[1, 2, 3, 4]], "is one"),
        ([[1, UNRANKED, UNRANKED, UNRANKED]], "is one"),
    ],
)
def test_training_needs_two_prompts_with_a_comparison(
    project: Project,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    manager: Member,
    ranks: list[list[int]],
    count: str,
) -> None:
    for i, rank in enumerate(ranks):
        add_ranking(add_prompt(f"{i}?"), labeller, rank)
    with pytest.raises(lifecycle.CannotTrainError, match=f"So far there {count}"):
        start(project)
    with pytest.raises(CommandError, match="at least two prompts"):
        call_command("train_reward", "--project", "kitchen")
    response = sign_in(manager).post(URL, {"backbone": "transformer", "ties": "drop", "seed": "0"})
    assert response.status_code == 422
    assert f"So far there {count}" in response.content.decode()
    assert not TrainingRun.objects.exists()


def test_a_setting_that_is_wrong_is_named(project: Project, ranked: list[Prompt]) -> None:
    with pytest.raises(CommandError, match="epochs must be at least 1"):
        call_command("train_reward", "--project", "kitchen", "--epochs", "0")
    with pytest.raises(CommandError, match="no project 'attic'"):
        call_command("train_reward", "--project", "attic")


def test_a_manager_starts_a_run(ranked: list[Prompt], manager: Member) -> None:
    response = sign_in(manager).post(URL, FORM)
    run = TrainingRun.objects.get()
    assert response["Location"] == f"{URL}{run.pk}/"
    assert run.created_by == manager.user
    assert (run.config["ties"], run.config["epochs"], run.config["seed"]) == ("half", 3, 7)
    assert run.config["aggregation"] == "majority"
    task = DBTaskResult.objects.get()
    assert task.args_kwargs["args"] == [run.pk]


def form_key(page: str) -> str:
    found = re.search(r'name="form_key" value="([0-9a-f-]+)"', page)
    assert found
    return found.group(1)


def test_a_second_press_starts_no_second_run(ranked: list[Prompt], manager: Member) -> None:
    client = sign_in(manager)
    form = FORM | {"form_key": form_key(client.get(f"{URL}new/").content.decode())}
    first, second = client.post(URL, form), client.post(URL, form)
    assert first["Location"] == second["Location"]
    assert TrainingRun.objects.count() == DBTaskResult.objects.count() == 1


def test_the_same_form_with_other_settings_starts_another_run(
    ranked: list[Prompt], manager: Member
) -> None:
    client = sign_in(manager)
    form = FORM | {"form_key": form_key(client.get(f"{URL}new/").content.decode())}
    client.post(URL, form)
    client.post(URL, form | {"seed": "8"})
    assert [run.config["seed"] for run in TrainingRun.objects.order_by("pk")] == [7, 8]


def test_a_form_key_of_another_project_starts_a_run_of_its_own(
    ranked: list[Prompt], manager: Member
) -> None:
    attic = Project.objects.create(name="Attic", slug="attic")
    theirs = TrainingRun.objects.create(project=attic, form_key=uuid.uuid4())
    sign_in(manager).post(URL, FORM | {"form_key": str(theirs.form_key)})
    assert TrainingRun.objects.get(project=manager.project).form_key is None


def test_runs_of_a_project_queue(ranked: list[Prompt], manager: Member) -> None:
    client = sign_in(manager)
    for seed in ("1", "2", "3"):
        assert client.post(URL, FORM | {"seed": seed}).status_code == 302
    assert TrainingRun.objects.filter(state=State.QUEUED).count() == 3
    assert DBTaskResult.objects.count() == 3
    page = client.get(f"{URL}new/").content.decode()
    assert "3 runs of this project are waiting or in progress." in page
    assert 'id="blocked"' not in page


def test_bad_settings_are_refused_in_the_page(ranked: list[Prompt], manager: Member) -> None:
    response = sign_in(manager).post(URL, FORM | {"learning_rate": "7"})
    assert response.status_code == 422
    assert "Must be above 0 and at most 1, got 7.0." in response.content.decode()
    assert not TrainingRun.objects.exists()


@pytest.mark.parametrize("name", ["aggregation", "verdicts"])  # the latter of an earlier version
def test_training_again_takes_the_same_rankings(
    running: TrainingRun, manager: Member, name: str
) -> None:
    config = running.config | {name: "majority"}
    if name == "verdicts":
        del config["aggregation"]
    TrainingRun.objects.update(config=config)
    jobs.finish(running, State.FAILED, "The moon was in the way.")
    client = sign_in(manager)
    again = f"{URL}new/?again={running.pk}"
    assert f'href="{again}"' in client.get(f"{URL}{running.pk}/").content.decode()
    page = client.get(again).content.decode()
    assert '<option value="majority" selected>' in page
    assert re.search(r'name="width"[^>]* value="16"|value="16"[^>]* name="width"', page)


@pytest.mark.parametrize("number", ["x", "0", "999999", "9" * 30, "-1"])
def test_there_is_no_form_for_a_run_that_is_not_there(manager: Member, number: str) -> None:
    assert sign_in(manager).get(f"{URL}new/?again={number}").status_code == 404


def test_the_settings_of_another_projects_run_are_not_shown(
    running: TrainingRun, manager: Member
) -> None:
    elsewhere = Project.objects.create(name="Attic", slug="attic")
    Member.objects.create(project=elsewhere, user=manager.user, name="m", role="manager")
    again = f"/projects/attic/runs/new/?again={running.pk}"
    assert sign_in(manager).get(again).status_code == 404
