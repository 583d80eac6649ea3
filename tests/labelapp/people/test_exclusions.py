"""A labeller whose rankings are left out: wherever rankings count, and back again."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.exporting.reader import read
from labelapp.jobs.environment import database_url
from labelapp.labelling import controls
from labelapp.models import (
    Disagreement,
    Exclusion,
    Member,
    Origin,
    Project,
    Prompt,
    Ranking,
    RankingDisagreement,
    TrainingRun,
    User,
)
from labelapp.people import exclusions
from labelapp.people.exclusions import ExcludedMeanwhileError
from labelapp.projects import overview
from labelapp.quality.coefficients import measure
from labelapp.quality.control_checks import checks_by_prompt
from labelapp.quality.disagreement_list import page as disputed
from labelapp.quality.disagreements import Recorder
from labelapp.quality.rankings import rankings_by_prompt
from labelapp.quality.side_by_side import side_by_side
from labelapp.reviewing.figures import measure as measure_review
from labelapp.reviewing.filters import Filter, filtered
from labelapp.reviewing.forms import labellers
from labelapp.runs.lifecycle import reason_not_to_start
from labelapp.runs.scores import count_agreements
from labelapp.runs.starting.data_counts import data_counts
from labelapp.runs.starting.ranking_choices import choice_fields
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.reviewing.scored import score
from training.data.database import DatabaseSource

pytestmark = pytest.mark.django_db(transaction=True)  # training reads what is committed

NOW = timezone.now()


@pytest.fixture
def by(manager: Member) -> User:
    assert manager.user is not None
    return manager.user


@pytest.fixture
def prompts(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, bob: Member, labeller: Member
) -> list[Prompt]:
    """Three prompts that ann and bob rank alike, and the labeller the other way round."""
    prompts = [add_prompt(f"Prompt {number}?") for number in range(3)]
    for days, prompt in enumerate(prompts):
        made = NOW - timedelta(days=10 * days)
        add_ranking(prompt, ann, (1, 2, 3, 4), created_at=made)
        add_ranking(prompt, bob, (1, 2, 3, 4), created_at=made)
        add_ranking(prompt, labeller, (4, 3, 2, 1), created_at=made)
    return prompts


@pytest.fixture
def run(project: Project, prompts: list[Prompt], tmp_path: Path) -> TrainingRun:
    run = TrainingRun.objects.create(project=project, state="done", finished_at=NOW)
    responses = [pk for one in prompts for pk in one.responses.values_list("pk", flat=True)]
    score(run, tmp_path / "run", {pk: -float(pk) for pk in responses})
    return run


def record(project: Project) -> None:
    with Recorder(project) as recorder:
        list(recorder.record(rankings_by_prompt(project, with_excluded=True)))
        recorder.store()


def exported(project: Project) -> list[str]:
    return [ranking.labeller for prompt in read(project) for ranking in prompt.rankings]


def trained_on(project: Project) -> list[str | None]:
    source = DatabaseSource(database_url(connection.settings_dict), project.slug)
    return [ranking.labeller for prompt in source.prompts() for ranking in prompt.rankings]


def measured(project: Project) -> list[int | None]:
    return [one.member for one in measure(rankings_by_prompt(project)).people if one.member]


def split_pairs(project: Project) -> int:
    return sum(len(side_by_side(prompt).splits) for prompt in project.prompts.all())


def compared(run: TrainingRun) -> dict[int, tuple[int, int]]:
    return dict(count_agreements(run))


def raters(run: TrainingRun) -> int:
    return sum(rater.member is not None for rater in measure_review(run)[0].raters)


def test_somebody_left_out_is_in_nothing_that_counts_and_comes_back(
    project: Project, run: TrainingRun, labeller: Member, by: User
) -> None:
    def everywhere() -> dict[str, Any]:
        record(project)
        return {
            "exports": sorted(exported(project)),
            "training": sorted(map(str, trained_on(project))),
            "agreement": measured(project),
            "disagreements": len(disputed(project=project).rows),
            "majority": split_pairs(project),
            "start of a run": (
                data_counts(project, "all").rankings,
                [name for name, _ in choice_fields(project)["labellers"].choices],
            ),
            "review": raters(run),
            "review’s filter": [name for _, name in labellers(project, rows=1)],
            "reviewed prompts": filtered(run, Filter(labeller=labeller.pk)).count(),
            "comparisons with the model": compared(run),
            "overview": overview.count(project).rankings,
        }

    before = everywhere()
    exclusions.exclude(member=labeller, by=by, reason="Ranks upside down.")
    without = everywhere()
    assert without["exports"] == without["training"] == ["ann"] * 3 + ["bob"] * 3
    assert labeller.pk not in without["agreement"]
    assert without["disagreements"] == without["majority"] == 0
    assert without["start of a run"] == (6, ["ann", "bob"])
    assert without["review"] == 2
    assert without["review’s filter"] == ["ann", "bob"]
    assert without["reviewed prompts"] == 0
    assert set(without["comparisons with the model"].values()) == {(12, 0)}
    assert without["overview"] == 6
    exclusions.end(member=labeller, by=by)
    assert everywhere() == before
    assert before["disagreements"] == 3
    assert set(before["comparisons with the model"].values()) == {(18, 6)}


@pytest.mark.parametrize(
    "page",
    ["agreement/", "disagreements/", "reviewing/", "runs/new/", "runs/grids/new/", "export/"],
)
def test_each_page_that_counts_names_who_is_left_out(
    run: TrainingRun, labeller: Member, bob: Member, by: User, page: str
) -> None:
    address = f"/projects/kitchen/{page}"
    client = sign_in(by)
    with CaptureQueriesContext(connection) as before:
        html = client.get(address, follow=True).content.decode()
    assert "Left out of training, export and agreement" not in html
    for member in (labeller, bob):
        exclusions.exclude(member=member, by=by, reason="Clicks at random")
    with CaptureQueriesContext(connection) as after:
        html = client.get(address, follow=True).content.decode()
    assert "Left out of training, export and agreement" in html
    for member in (labeller, bob):
        assert f'<a href="/projects/kitchen/people/{member.pk}/"><bdi>{member.name}</bdi>' in html
    assert len(after) <= len(before)


def test_from_a_day_on_only_later_rankings_are_left_out(
    project: Project, prompts: list[Prompt], labeller: Member, by: User, add_ranking: AddRanking
) -> None:
    exclusions.exclude(member=labeller, by=by, reason="?", since=NOW - timedelta(days=10))
    assert exported(project).count("labeller") == trained_on(project).count("labeller") == 1
    kept = Ranking.objects.counting().get(member=labeller)
    assert kept.prompt == prompts[2]
    assert [one.is_left_out for one in labeller.rankings.order_by("pk")] == [True, True, False]


def test_rankings_that_come_later_are_left_out_too(
    project: Project, labeller: Member, by: User, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    exclusions.exclude(member=labeller, by=by, reason="?")
    add_ranking(add_prompt(), labeller, (1, 2, 3, 4))
    assert exported(project) == trained_on(project) == []
    assert "at least two prompts" in reason_not_to_start(project)


def test_a_backup_has_what_is_left_out_and_the_manifest_says_what_is_not(
    project: Project, prompts: list[Prompt], labeller: Member, by: User, tmp_path: Path,
    export: Callable[..., str],
) -> None:  # fmt: skip
    exclusions.exclude(member=labeller, by=by, reason="?")
    assert ",labeller,1," not in export(name="out.csv")
    manifest = json.loads((tmp_path / "out.csv.manifest.json").read_text())
    assert manifest["left_out"] == [{"labeller": "labeller", "since": None}]
    assert manifest["counts"]["rankings"] == 6
    assert export("--include-left-out", name="all.jsonl").count('"labeller": "labeller"') == 3
    assert export("--all-versions", name="a.jsonl").count('"labeller": "labeller"') == 0


def test_what_they_decided_is_undecided_again(
    project: Project, prompts: list[Prompt], reviewer: Member, by: User, add_ranking: AddRanking
) -> None:
    for prompt in prompts:
        add_ranking(prompt, reviewer, (1, 2, 4, 3), origin=Origin.ADJUDICATED)
    record(project)
    assert disputed(project=project).rows == []
    exclusions.exclude(member=reviewer, by=by, reason="Did not read them.")
    assert len(disputed(project=project).rows) == 3
    assert disputed(project=project, show="adjudicated").rows == []


def test_nobody_is_measured_by_a_gold_ranking_that_is_left_out(
    project: Project, prompts: list[Prompt], ann: Member, manager: Member, by: User
) -> None:
    gold = ann.rankings.get(prompt=prompts[0])
    controls.mark_gold(gold)
    assert len(list(checks_by_prompt(project))) == 1
    assert controls.assign_gold(manager) is not None
    exclusions.exclude(member=ann, by=by, reason="?")
    assert list(checks_by_prompt(project)) == []
    assert controls.count_gold(project) == 0
    assert controls.assign_gold(manager) is None
    with pytest.raises(controls.NotGoldError, match="left out"):
        controls.mark_gold(gold)
    exclusions.end(member=ann, by=by)
    assert controls.count_gold(project) == 1


def test_rankings_that_are_left_out_are_still_compared_with_those_that_count(
    project: Project, prompts: list[Prompt], labeller: Member, ann: Member, by: User
) -> None:
    exclusions.exclude(member=labeller, by=by, reason="?")
    record(project)
    counts = RankingDisagreement.objects.values_list("comparisons", "against", "share")
    assert set(counts.filter(member=labeller)) == {(12, 12, 1.0)}
    assert set(counts.filter(member=ann)) == {(6, 0, 0.0)}
    assert set(Disagreement.objects.values_list("labellers", "against")) == {(2, 0)}


def test_the_log_keeps_who_left_whom_out_and_why(project: Project, ann: Member, by: User) -> None:
    exclusions.exclude(member=ann, by=by, reason="Ill.")
    exclusions.end(member=ann, by=by)
    exclusions.exclude(member=ann, by=by, reason="Ill again.", since=NOW)
    newest, oldest = ann.exclusions.all()
    assert (oldest.reason, oldest.created_by, oldest.ended_by) == ("Ill.", by, by)
    assert oldest.ended_at is not None
    assert (newest.reason, newest.since, newest.ended_at) == ("Ill again.", NOW, None)
    assert list(Exclusion.objects.holding(project)) == [newest]


def test_nobody_is_left_out_twice_nor_counted_again_twice(ann: Member, by: User) -> None:
    with pytest.raises(ExcludedMeanwhileError):
        exclusions.end(member=ann, by=by)
    exclusions.exclude(member=ann, by=by, reason="Ill.")
    with pytest.raises(ExcludedMeanwhileError):
        exclusions.exclude(member=ann, by=by, reason="Still ill.")
    with pytest.raises(IntegrityError), transaction.atomic():
        Exclusion.objects.create(member=ann, reason="Beside the functions.")
