"""The pretrained models of a run: a manager chooses from a list, and learns nothing of others."""

from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from labelapp.models import Member, Project, State, TrainingRun
from labelapp.runs import process
from labelapp.runs.starting.base_models import base_models
from labelapp.runs.starting.forms import TrainForm
from tests.conftest import sign_in

FORM = {"backbone": "pretrained", "ties": "drop", "seed": "0"}


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    """The folder of models, with one of them and something else."""
    settings.MODELS, settings.MODELS_DIR = ["gpt2"], tmp_path / "models"
    for name in ("small", "org/large"):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "config.json").write_text("{}")
    (tmp_path / "models" / "notes").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "config.json").write_text("{}")
    return tmp_path / "models"


def run(project: Project, backbone: str, state: State = State.DONE) -> Path:
    made = TrainingRun.objects.create(
        project=project,
        state=state,
        finished_at=timezone.now() if state == State.DONE else None,
        config={"backbone": backbone, "model": "gpt2"},
    )
    made.folder = f"runs/{made.pk}"
    made.save()
    model = process.run_folder(made).model
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    return model


def test_the_list_holds_names_folders_and_the_projects_own_runs(
    project: Project, folder: Path
) -> None:
    own = run(project, "pretrained")
    run(project, "transformer")
    run(project, "pretrained", State.QUEUED)
    run(Project.objects.create(name="Attic", slug="attic"), "pretrained")
    assert [model for model, _ in base_models(project)] == [
        "gpt2",
        str(folder / "small"),
        str(folder / "org/large"),
        str(own),
    ]
    assert [label for _, label in base_models(project)][1:3] == ["small", "org/large"]


def test_a_model_of_the_list_is_trained(project: Project, folder: Path) -> None:
    for model, _ in base_models(project):
        form = TrainForm(FORM | {"model": model}, project=project)
        assert form.is_valid(), form.errors
        assert form.config.model == model
    first = TrainForm(FORM, project=project)
    assert first.is_valid()
    assert first.config.model == "gpt2"


def test_other_models_are_refused_in_the_same_words_whether_they_exist_or_not(
    project: Project, folder: Path
) -> None:
    there = run(Project.objects.create(name="Attic", slug="attic"), "pretrained")
    others = [
        "/", "/root", "/nonexistent", str(folder), str(folder / "notes"), str(folder / "none"),
        str(folder / "../elsewhere"), str(folder.parent / "elsewhere"), "small", str(there),
        "somebody/a-model-of-the-hub", "gpt2/../../etc", ".",
    ]  # fmt: skip
    said = set()
    for model in others:
        form = TrainForm(FORM | {"model": model}, project=project)
        assert not form.is_valid(), model
        said.add(form.errors.as_json())
    assert len(said) == 1


def test_without_any_model_the_page_says_what_to_do(
    settings: Settings, project: Project, manager: Member, tmp_path: Path
) -> None:
    settings.MODELS, settings.MODELS_DIR = [], tmp_path / "none"
    form = TrainForm(FORM, project=project)
    assert not form.is_valid()
    assert "ask an administrator to add it" in str(form.errors["model"])
    assert sign_in(manager).get("/projects/kitchen/runs/").status_code == 200


def test_a_model_from_scratch_needs_none(project: Project, folder: Path) -> None:
    form = TrainForm(FORM | {"backbone": "rnn", "model": "/root"}, project=project)
    assert form.is_valid(), form.errors
    assert form.config.backbone == "rnn"
