"""The pages of runs."""

import re

import pytest

from labelapp.models import Member, State, TrainingRun
from tests.conftest import sign_in
from tests.labelapp.jobs.test_odd_rows import ended
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
