"""The rankings of a run: chosen by labeller, day, origin, file and source."""

import re
from datetime import UTC, timedelta
from typing import Any

from django.utils import timezone

from labelapp.models import Member, Project, Prompt, Ranking, TrainingRun, Upload
from labelapp.runs.one_run import settings_table
from labelapp.runs.starting.data_counts import data_counts
from labelapp.runs.starting.ranking_choices import choice_fields
from tests.conftest import sign_in
from tests.labelapp.runs.pages import settings_shown
from training.aggregation import RankingFilter
from training.config import TrainConfig

URL = "/projects/kitchen/runs/"


def test_rankings_are_chosen_by_labeller_day_and_origin(
    ranked_by_two: list[Prompt], project: Project, labeller: Member
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
    Ranking.objects.filter(member=labeller, prompt__in=ranked_by_two[:2]).update(upload=upload)
    assert count(uploads=str(upload.pk)) == (2, 1)
    assert count(uploads="command") == (1, 1)
    assert count(uploads="here") == (4, 1)
    assert count(uploads=f"here,{upload.pk}", labellers="labeller") == (2, 1)
    ranked_by_two[0].responses.filter(source="model-1").update(source="other")
    assert count(sources="model-0,model-1", labellers="labeller") == (2, 1)
    assert count(sources="model-0") == (0, 0)


def test_the_form_offers_the_labellers_of_the_project(
    ranked_by_two: list[Prompt], manager: Member, reviewer: Member
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
    ranked_by_two: list[Prompt], manager: Member, labeller: Member, django_assert_num_queries: Any
) -> None:
    project, client = manager.project, sign_in(manager)
    upload = Upload.objects.create(project=project, name="a.jsonl", format="jsonl")
    imported = Ranking.objects.filter(member=labeller)
    imported.update(origin="imported")
    imported.filter(prompt__in=ranked_by_two[:2]).update(upload=upload)
    ranked_by_two[0].responses.filter(source="model-1").update(source="one, two")
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
