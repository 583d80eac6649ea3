"""The pages of runs."""

import re

import pytest

from labelapp.models import Member, State, TrainingRun
from tests.conftest import sign_in
from tests.labelapp.jobs.test_odd_rows import ended
from training.backbones.hub import HINT
from training.config import TrainConfig


@pytest.mark.django_db
def test_settings_that_are_left_to_the_model_are_not_listed(manager: Member) -> None:
    config = TrainConfig(backbone="pretrained").to_json()
    run = TrainingRun.objects.create(
        project=manager.project, config=config, folder="runs/1", **ended(State.FAILED)
    )
    page = sign_in(manager).get(f"/projects/kitchen/runs/{run.pk}/").content.decode()
    listed = dict(re.findall(r"<dt>(\w+)</dt><dd>(.*?)</dd>", page))
    assert (listed["model"], listed["weight_decay"], listed["epochs"]) == ("gpt2", "0.0", "2")
    assert not {"head_learning_rate", "lora_rank", "backbone_license"} & set(listed)


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
    page = client.get(f"/projects/kitchen/runs/{run.pk}/").content.decode()
    listed = dict(re.findall(r"<dt>(\w+)</dt><dd>(.*?)</dd>", page))
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
    assert "<dt>epochs</dt>" in client.get(f"/projects/kitchen/runs/{run.pk}/").content.decode()


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
