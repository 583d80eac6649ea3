"""The pages of runs."""

import re

import pytest

from labelapp.models import Member, State, TrainingRun
from tests.conftest import sign_in
from tests.labelapp.jobs.test_odd_rows import ended
from training.backbones.hub import HINT
from training.config import TrainConfig


def settings_of(member: Member, run: TrainingRun) -> dict[str, str]:
    """The settings that a run's page lists, with their values."""
    page = sign_in(member).get(f"/projects/kitchen/runs/{run.pk}/settings/").content.decode()
    row = r'<th scope="row"><code>(\w+)</code>.*?</th>\s*<td class="value[^"]*">(.*?)</td>'
    return dict(re.findall(row, page))


@pytest.mark.django_db
def test_settings_that_are_left_to_the_model_say_so(manager: Member) -> None:
    config = TrainConfig(backbone="pretrained").to_json()
    run = TrainingRun.objects.create(
        project=manager.project, config=config, folder="runs/1", **ended(State.FAILED)
    )
    listed = settings_of(manager, run)
    assert (listed["model"], listed["weight_decay"], listed["epochs"]) == (
        "gpt2",
        "0.0",
        "by the rankings",
    )
    assert (listed["head_learning_rate"], listed["lora_rank"]) == ("by the model", "by the model")


@pytest.mark.django_db
def test_a_chosen_model_is_named_and_lists_only_its_own_settings(manager: Member) -> None:
    choice = {"chosen": ["named", "words"], "prompts": 60, "network": None, "candidates": []}
    run = TrainingRun.objects.create(
        project=manager.project,
        config=TrainConfig().to_json(),
        metrics={"choice": choice},
        folder="runs/1",
        **ended(State.DONE),
    )
    client = sign_in(manager)
    listed = settings_of(manager, run)
    assert (listed["backbone"], listed["seed"]) == ("auto", "0")
    assert not {"cell", "epochs", "lora_alpha", "learning_rate"} & set(listed)
    column = '<span class="run-model">%s</span>'
    assert column % "features and words" in client.get("/projects/kitchen/runs/").content.decode()
    choice["network"] = {"factor": 0.5}
    TrainingRun.objects.update(metrics={"choice": choice})
    assert (
        column % "features and words and a network"
        in client.get("/projects/kitchen/runs/").content.decode()
    )
    assert "epochs" in settings_of(manager, run)


@pytest.mark.django_db
def test_a_reason_names_the_fields_of_the_form(manager: Member) -> None:
    run = TrainingRun.objects.create(
        project=manager.project,
        config=TrainConfig(backbone="pretrained").to_json(),
        folder="runs/1",
        **ended(State.FAILED) | {"reason": f"model gpt2 cannot be reached; {HINT}"},
    )
    page = sign_in(manager).get(f"/projects/kitchen/runs/{run.pk}/").content.decode()
    assert "choose another “Pretrained model”, such as a folder, or another “Backbone”" in page
