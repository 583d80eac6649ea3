"""Reviewers who may train models and export rankings, where the project says so."""

import pytest
from django.test import Client

from labelapp.models import Member, Project, State, TrainingRun
from tests.conftest import sign_in
from tests.labelapp.runs.conftest import AddScored

pytestmark = pytest.mark.django_db

URL = "/projects/kitchen"
TRAINING = (
    "/runs/new/", "/runs/new/estimate/", "/runs/{run}/edit/", "/export/", "/export/prepared/",
)  # fmt: skip
MANAGING = ("/runs/{run}/delete/", "/models/service/", "/people/", "/settings/", "/uploads/")


@pytest.fixture
def run(scored: AddScored) -> TrainingRun:
    return scored({})


def statuses(client: Client, paths: tuple[str, ...], run: TrainingRun) -> set[int]:
    return {client.get(URL + path.format(run=run.pk)).status_code for path in paths}


def test_a_project_decides_whether_its_reviewers_train(
    project: Project, reviewer: Member, labeller: Member, run: TrainingRun
) -> None:
    client = sign_in(reviewer)
    assert statuses(client, TRAINING, run) == {403}
    assert client.post(f"{URL}/runs/", {}).status_code == 403
    assert "New run" not in client.get(f"{URL}/runs/").content.decode()
    project.reviewers_train = True
    project.save()
    assert statuses(client, TRAINING, run) == {200}
    assert client.post(f"{URL}/runs/{run.pk}/pin/", {"pinned": "yes"}).status_code == 302
    page = client.get(f"{URL}/runs/{run.pk}/").content.decode()
    assert "Change and train again" in page
    assert "Register the model" in page
    assert "Delete…" not in page
    # What changes what others rely on stays with managers.
    assert statuses(client, MANAGING, run) == {403}
    for path in ("delete/", "stop/", "go-on/"):
        TrainingRun.objects.filter(pk=run.pk).update(state=State.DONE)
        status = client.post(f"{URL}/runs/{run.pk}/{path}").status_code
        assert status == 403 if path == "delete/" else status in (302, 422)
    assert statuses(sign_in(labeller), TRAINING, run) == {403}
    assert "Export" in client.get(f"{URL}/").content.decode()


def test_the_settings_say_so(project: Project, manager: Member) -> None:
    client = sign_in(manager)
    page = client.get(f"{URL}/settings/").content.decode()
    assert "Reviewers may train models and export rankings" in page
