"""The estimate of time and memory before a run starts."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from labelapp.models import Member, Project, Prompt, TrainingRun
from labelapp.runs.starting.data_counts import DataCounts, data_counts
from labelapp.runs.starting.estimate import estimate
from labelapp.runs.words import rounded
from tests.conftest import sign_in
from tests.labelapp.runs.pages import finished
from training.config import TrainConfig

URL = "/projects/kitchen/runs/"


@pytest.mark.parametrize(
    ("aggregation", "rankings"), [("all", 7), ("majority", 3), ("adjudicated", 5)]
)
def test_the_choice_of_rankings_is_counted(
    ranked_by_two: list[Prompt], project: Project, aggregation: Any, rankings: int
) -> None:
    assert data_counts(project, aggregation) == DataCounts(rankings, 3, 2)


COUNTS = DataCounts(400, 100, 3)


def test_an_earlier_run_of_the_project_tells_the_time_and_the_memory(project: Project) -> None:
    run = finished(project, 30, peak_memory=900_000_000)
    found = estimate(project, TrainConfig(), COUNTS)
    assert found.time == f"About 2 minutes, as run {run.pk} took 30\xa0s for 100 rankings."
    assert found.memory == f"About 0.9\xa0GB of memory, as run {run.pk} took."


def test_several_earlier_runs_of_the_project_tell_a_range(project: Project) -> None:
    for seconds in (9000, 45, 20, 50, 30, 25):  # of six, the last five
        finished(project, seconds)
    finished(project, 8000, config={"width": 128, "backbone": "transformer"})  # another kind
    found = estimate(project, TrainConfig(), COUNTS)
    assert found.time == (
        "1 minute to 3 minutes. The last 5 such runs of this project took 20\xa0s to 50\xa0s,"
        " with their start and scores."
    )
    assert found.seconds == 120


def test_the_start_of_a_run_does_not_grow_with_the_rankings(project: Project) -> None:
    run = finished(project, 30)
    TrainingRun.objects.update(started_at=timezone.now() - timedelta(seconds=90))
    found = estimate(project, TrainConfig(), COUNTS)
    assert found.time.startswith(
        f"About 3 minutes, as run {run.pk} took 1\xa0min 30\xa0s for 100 rankings. Of it, the"
        " training took 30\xa0s, and the start and the scores took the rest."
    )


def test_the_time_grows_with_the_epochs(project: Project) -> None:
    run = finished(project, 30, config={"backbone": "transformer", "epochs": 2})
    found = estimate(project, TrainConfig(backbone="transformer", epochs=6), COUNTS)
    assert found.time == (
        f"About 6 minutes, as run {run.pk} took 30\xa0s for 100 rankings. Run {run.pk} had 2"
        " epochs."
    )
    few_steps = TrainConfig(backbone="transformer", epochs=6, max_steps=25)
    assert estimate(project, few_steps, COUNTS).time.startswith("About 1 minute")


def test_the_epochs_of_an_earlier_run_are_those_that_it_made(project: Project) -> None:
    model = {"backbone": "pretrained", "model": "maker/model"}
    run = finished(project, 30, config=model, epochs=4.0)  # it ended early
    found = estimate(project, TrainConfig(**model, epochs=8), COUNTS)
    assert found.time == (
        f"About 4 minutes, as run {run.pk} took 30\xa0s for 100 rankings. Run {run.pk} had 4"
        " epochs."
    )


def test_another_size_is_said(project: Project) -> None:
    finished(project, 30, config={"backbone": "transformer"})
    wide = TrainConfig(backbone="transformer", width=128)
    assert "Its settings differ: width." in estimate(project, wide, COUNTS).time


def test_a_run_of_another_project_is_not_named(project: Project) -> None:
    attic = Project.objects.create(name="Attic", slug="attic")
    theirs = finished(attic, 30)
    found = estimate(project, TrainConfig(), COUNTS).time
    assert "as a run in another project took 30\xa0s for 1,000 tokens" in found
    assert "Attic" not in found
    assert f"run {theirs.pk}" not in found


def test_a_rule_tells_where_no_run_does(ranked_by_two: list[Prompt], project: Project) -> None:
    found = estimate(project, TrainConfig(), data_counts(project, "all"))
    assert re.search(r"by a rule of thumb for \d+ tokens", found.time)
    assert "no such run has finished here yet" in found.time
    assert "most of it for PyTorch itself" in found.memory


def test_nothing_is_said_of_a_model_of_the_hub_that_nobody_has_trained(project: Project) -> None:
    found = estimate(project, TrainConfig(backbone="pretrained", model="maker/model"), COUNTS)
    assert found.time.startswith("Not known yet")
    assert found.memory == "How much memory it needs is not known yet."


def test_the_estimate_follows_the_form(ranked_by_two: list[Prompt], manager: Member) -> None:
    client = sign_in(manager)
    page = client.get(f"{URL}new/estimate/?aggregation=majority").content.decode()
    assert "<strong>3</strong> rankings of <strong>3</strong> prompts" in page
    wrong = client.get(f"{URL}new/estimate/?epochs=0").content.decode()
    assert "need a correction" in wrong


def test_times_are_as_exact_as_an_estimate() -> None:
    found = [rounded(seconds) for seconds in (0.2, 4.4, 47, 61, 100, 3600, 7000, 90_000)]
    assert found == [
        "1 second", "4 seconds", "50 seconds", "1 minute", "2 minutes", "60 minutes", "1.9 hours",
        "25 hours",
    ]  # fmt: skip
