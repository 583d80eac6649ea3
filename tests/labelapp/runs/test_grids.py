"""Grids: the form, the queue, and what stays when one is deleted."""

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.models import Grid, Member, ModelVersion, Project, Prompt, State, TrainingRun
from labelapp.runs import process
from labelapp.runs.grids.grid_form import PRESETS, GridForm
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.runs.gridded import URL, AddGrid, noisy, page_of
from tests.labelapp.runs.pages import text_of

pytestmark = pytest.mark.django_db

SEEDS = {"seed": "0, 1, 2"}


@pytest.fixture
def ranked(add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member) -> list[Prompt]:
    """Three prompts that the labeller has ranked."""
    prompts = [add_prompt(f"{number}?") for number in range(3)]
    for prompt in prompts:
        add_ranking(prompt, labeller, (1, 2, 3, 4))
    return prompts


def started(manager: Member, **fields: Any) -> Grid:
    """Start a grid with the form of the page, and return it."""
    answer = sign_in(manager).post(f"{URL}new/", fields)
    grid = Grid.objects.latest("pk")
    assert answer.status_code == 302
    assert answer["Location"] == f"{URL}{grid.pk}/"
    return grid


# The form


def test_a_grid_has_a_run_for_every_combination(manager: Member, ranked: list[Prompt]) -> None:
    grid = started(
        manager, backbone=["transformer", "rnn"], learning_rate="0.001 0.003", width="32", **SEEDS
    )
    runs = list(grid.runs.order_by("pk"))
    assert len(runs) == 12
    combinations = {
        (run.config["backbone"], run.config["learning_rate"], run.config["seed"]) for run in runs
    }
    assert combinations == {
        (backbone, rate, seed)
        for backbone in ("transformer", "rnn")
        for rate in (0.001, 0.003)
        for seed in (0, 1, 2)
    }
    assert {run.config["width"] for run in runs} == {32}
    assert {run.state for run in runs} == {State.QUEUED}
    assert {run.created_by for run in runs} == {manager.user}
    assert grid.varied == {
        "backbone": ["transformer", "rnn"],
        "learning_rate": [0.001, 0.003],
        "seed": [0, 1, 2],
    }


def test_settings_without_an_effect_make_no_run_twice(
    manager: Member, ranked: list[Prompt]
) -> None:
    grid = started(manager, backbone=["features", "transformer"], epochs="1,2")
    assert [run.config["backbone"] for run in grid.runs.order_by("pk")] == [
        "features", "transformer", "transformer",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Give at least one setting two values"),
        ({"seed": "1, 1"}, "Give at least one setting two values"),
        ({"backbone": "features", "epochs": "1, 2"}, "Give at least one setting two values"),
        ({"seed": "0, x"}, "“x”: Enter a whole number."),
        ({"seed": ",".join(map(str, range(49)))}, "These are 49 runs; a grid has at most 48."),
        ({"seed": "0,1", "learning_rate": "0.1, 7"}, "Must be"),
        ({"backbone": ["pretrained", "bogus"]}, "bogus is not one of the available choices"),
    ],
)
def test_what_makes_no_grid_is_refused_with_the_reason(
    manager: Member, ranked: list[Prompt], fields: dict[str, Any], said: str
) -> None:
    if "learning_rate" in fields:
        fields = fields | {"backbone": "transformer"}
    answer = sign_in(manager).post(f"{URL}new/", fields)
    assert answer.status_code == 422
    assert said in text_of(answer.content.decode())
    assert not TrainingRun.objects.exists()


@pytest.mark.parametrize("name", [preset.name for preset in PRESETS])
def test_a_preset_is_a_grid_whose_runs_and_time_are_said_before_it_starts(
    manager: Member, ranked: list[Prompt], name: str
) -> None:
    page = sign_in(manager).get(f"{URL}new/?preset={name}").content.decode()
    runs = {"seeds": 3, "learning-rates": 6, "backbones": 3}[name]
    assert f"{runs} runs" in text_of(page)
    assert "for all of them, one after another." in text_of(page)


def test_the_estimate_asks_no_more_queries_for_more_runs(
    manager: Member, ranked: list[Prompt]
) -> None:
    client = sign_in(manager)
    queries = []
    for seeds in ("0,1", ",".join(map(str, range(40)))):
        with CaptureQueriesContext(connection) as counted:
            page = client.get(f"{URL}new/estimate/?seed={seeds}").content.decode()
        assert f"{len(seeds.split(','))} runs" in text_of(page)
        queries.append(len(counted))
    assert queries[0] == queries[1]


def test_without_pretrained_models_named_the_first_is_taken(project: Project) -> None:
    form = GridForm({"backbone": ["pretrained"], "seed": "1,2"}, project=project)
    assert form.is_valid()
    assert {config.model for config in form.configs} == {"gpt2"}


def test_a_second_press_starts_no_second_grid(manager: Member, ranked: list[Prompt]) -> None:
    key = str(uuid.uuid4())
    first = started(manager, form_key=key, **SEEDS)
    assert started(manager, form_key=key, **SEEDS) == first
    other = started(manager, form_key=key, seed="3, 4")  # the form again, after Back
    assert [run.config["seed"] for run in other.runs.order_by("pk")] == [3, 4]
    assert TrainingRun.objects.count() == 3 + 2


def test_without_rankings_nothing_starts(manager: Member, project: Project) -> None:
    answer = sign_in(manager).post(f"{URL}new/", SEEDS)
    assert answer.status_code == 422
    assert "Training needs at least two prompts" in answer.content.decode()
    assert not Grid.objects.exists()


# While it goes on


def test_a_grid_in_progress_says_how_far_it_is_and_stops_as_one(
    manager: Member, ranked: list[Prompt]
) -> None:
    grid = started(manager, **SEEDS)
    first, second, _ = grid.runs.order_by("pk")
    TrainingRun.objects.filter(pk=first.pk).update(state=State.DONE, finished_at=timezone.now())
    TrainingRun.objects.filter(pk=second.pk).update(
        state=State.RUNNING, started_at=timezone.now(), heartbeat_at=timezone.now()
    )
    page = page_of(manager, grid)
    assert "1 run of 3 has ended" in text_of(page)
    assert "1 done · 1 running · 1 queued · about" in text_of(page)
    assert f'hx-get="{URL}{grid.pk}/"' in page
    fragment = sign_in(manager).get(f"{URL}{grid.pk}/", headers={"HX-Request": "true"})
    assert fragment.content.decode().lstrip().startswith('<div id="grid"')
    assert sign_in(manager).post(f"{URL}{grid.pk}/stop/").status_code == 302
    assert [run.state for run in grid.runs.order_by("pk")] == ["done", "running", "stopped"]
    assert TrainingRun.objects.get(pk=second.pk).stop_requested
    assert "Stopping…" in page_of(manager, grid)


def test_what_was_stopped_or_failed_is_queued_again_with_one_click(
    manager: Member, ranked: list[Prompt]
) -> None:
    grid = started(manager, **SEEDS)
    first, *_ = grid.runs.order_by("pk")
    TrainingRun.objects.filter(pk=first.pk).update(
        state=State.FAILED, reason="Out of memory.", finished_at=timezone.now()
    )
    sign_in(manager).post(f"{URL}{grid.pk}/stop/")
    page = page_of(manager, grid)
    assert "Resume 3 runs" in text_of(page)
    assert "Out of memory." in page
    assert sign_in(manager).post(f"{URL}{grid.pk}/go-on/").status_code == 302
    assert {(run.state, run.reason) for run in grid.runs.all()} == {(State.QUEUED, "")}


# Deleting, and who may


def test_deleting_a_grid_keeps_the_runs_that_are_needed(
    add_grid: AddGrid, manager: Member, project: Project
) -> None:
    grid = add_grid({"seed": [0, 1, 2]}, *[({"seed": n}, noisy(n, 5)) for n in range(3)])
    first, second, newest = grid.runs.order_by("pk")
    ModelVersion.objects.create(project=project, run=first, number=1)
    folder = process.run_folder(second).path
    page = sign_in(manager).get(f"{URL}{grid.pk}/delete/").content.decode()
    assert "deletes the grid with 1 run" in text_of(page)
    assert f"Run {newest.pk} : Review shows the scores" in text_of(page)
    assert folder.is_dir()
    answer = sign_in(manager).post(f"{URL}{grid.pk}/delete/")
    assert answer.status_code == 302
    assert not Grid.objects.exists()
    assert not folder.exists()
    assert list(project.runs.order_by("pk")) == [first, newest]


def test_a_grid_in_progress_is_not_deleted(manager: Member, ranked: list[Prompt]) -> None:
    grid = started(manager, **SEEDS)
    answer = sign_in(manager).post(f"{URL}{grid.pk}/delete/")
    assert answer.status_code == 422
    assert "Stop it, then delete it." in answer.content.decode()
    assert grid.runs.count() == 3


def test_reviewers_look_and_managers_act(
    manager: Member, reviewer: Member, labeller: Member, ranked: list[Prompt]
) -> None:
    grid = started(manager, **SEEDS)
    page = page_of(reviewer, grid)
    assert "Stop all" not in page
    assert "Grid" in sign_in(reviewer).get(URL).content.decode()
    for path in ("new/", "new/estimate/", f"{grid.pk}/delete/"):
        assert sign_in(reviewer).get(f"{URL}{path}").status_code == 403
    for path in (f"{grid.pk}/stop/", f"{grid.pk}/go-on/", f"{grid.pk}/delete/", "new/"):
        assert sign_in(reviewer).post(f"{URL}{path}").status_code == 403
    for path in ("", f"{grid.pk}/"):
        assert sign_in(labeller).get(f"{URL}{path}").status_code == 403


def test_a_grid_of_another_project_is_not_found(manager: Member) -> None:
    other = Project.objects.create(name="Other", slug="other")
    grid = Grid.objects.create(project=other)
    client = sign_in(manager)
    assert client.get(f"{URL}{grid.pk}/").status_code == 404
    for action in ("stop", "go-on", "delete"):
        assert client.post(f"{URL}{grid.pk}/{action}/").status_code == 404
