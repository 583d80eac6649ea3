"""The tabs of a run's page: who sees them, and the verdict at their head."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.models import (
    AliasMove,
    Member,
    ModelVersion,
    Project,
    Prompt,
    State,
    TrainingRun,
    User,
)
from labelapp.runs.one_run import run_plots
from labelapp.runs.run_verdict import verdict_on
from tests.conftest import AddRanking, sign_in
from tests.labelapp.runs.pages import RUNS, AddRun, beside, get, text_of

pytestmark = pytest.mark.django_db
TABS = ("", "curves/", "errors/", "data/", "settings/", "files/", "log/")

# Who may see them


@pytest.mark.parametrize("path", TABS)
def test_reviewers_and_managers_see_the_tabs(
    run: TrainingRun, reviewer: Member, manager: Member, labeller: Member, outsider: User, path: str
) -> None:
    url = f"{RUNS}{run.pk}/{path}"
    for member in (reviewer, manager):
        page = sign_in(member).get(url)
        assert page.status_code == 200
        current = re.findall(r'<a href="([^"]*)" aria-current="page">', page.content.decode())
        assert url in current
    assert sign_in(labeller).get(url).status_code == 403
    assert sign_in(outsider).get(url).status_code == 404
    assert Client().get(url).status_code == 302
    assert sign_in(manager).post(url).status_code == 405
    Project.objects.create(name="Attic", slug="attic")
    manager.user.is_superuser = True
    manager.user.save()
    assert sign_in(manager).get(url.replace("kitchen", "attic")).status_code == 404


@pytest.mark.parametrize("path", TABS)
def test_a_tab_takes_as_many_queries_for_many_runs_and_rankings(
    run: TrainingRun, manager: Member, path: str
) -> None:
    client = sign_in(manager)
    with CaptureQueriesContext(connection) as few:
        client.get(f"{RUNS}{run.pk}/{path}")
    for number in range(5):
        TrainingRun.objects.create(
            project=run.project, state=State.DONE, finished_at=timezone.now(), config=run.config,
            metrics=run.metrics, folder=f"runs/{number}",
        )  # fmt: skip
    with CaptureQueriesContext(connection) as many:
        client.get(f"{RUNS}{run.pk}/{path}")
    assert len(many) <= len(few)


def test_the_tab_of_the_settings_counts_those_that_were_changed(
    run: TrainingRun, manager: Member
) -> None:
    page = get(manager, run, "settings/")
    [tab] = re.findall(r'<a href="[^"]*/runs/\d+/settings/"[^>]*>(.*?)</a>', page)
    assert text_of(tab) == "Settings 3 changed"
    assert page.count("is-changed") == 3
    TrainingRun.objects.filter(pk=run.pk).update(config={})
    page = get(manager, run)
    [tab] = re.findall(r'<a href="[^"]*/runs/\d+/settings/"[^>]*>(.*?)</a>', page)
    assert text_of(tab) == "Settings"


def test_the_champion_is_beside_a_run_that_was_judged_on_the_same_comparisons(
    add_run: AddRun, project: Project, manager: Member
) -> None:
    champion, same, other = (
        add_run([7, 6, 8] * 10), add_run([8, 8, 8] * 10), add_run([8, 8, 8] * 10, digest="other")
    )  # fmt: skip
    version = ModelVersion.objects.create(project=project, number=1, run=champion)
    assert "Champion" not in text_of(get(manager, same))
    AliasMove.objects.create(project=project, alias="champion", version=version, reason="Measured.")
    page = get(manager, same)
    assert f"Champion, run {champion.pk} 70.0" in text_of(page)
    compared = f"compare/?run={champion.pk}&amp;run={same.pk}&amp;reference={champion.pk}"
    assert compared in page
    assert "Champion, run" not in text_of(get(manager, champion))
    assert "Champion, run" not in text_of(get(manager, other))


def test_the_overview_has_the_accuracy_by_labeller(run: TrainingRun, manager: Member) -> None:
    by_labeller = [
        {"labeller": name, "accuracy": share, "accuracy_low": share - 0.1,
         "accuracy_high": share + 0.1, "comparisons": number}
        for name, share, number in (("ann", 0.779, 812), ("dan", 0.588, 286))
    ]  # fmt: skip
    run.metrics["held_out"]["by_labeller"] = by_labeller
    run.save()
    words = text_of(get(manager, run))
    assert words.index("By labeller") < words.index("ann · 812") < words.index("dan · 286")


def test_repeating_a_run_says_whether_the_rankings_have_changed_since(
    run: TrainingRun, ranked: list[Prompt], manager: Member, bob: Member, add_ranking: AddRanking
) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(manifest={"rankings": 4})
    assert "have changed since" not in text_of(get(manager, run, "settings/"))
    add_ranking(ranked[0], bob, [1, 2, 3, 4])
    words = text_of(get(manager, run, "settings/"))
    assert "The rankings have changed since: this run read 4, now it would read 5." in words
    config = run.config | {"labellers": "labeller"}
    TrainingRun.objects.filter(pk=run.pk).update(config=config)
    assert "have changed since" not in text_of(get(manager, run, "settings/"))


# The verdict


@pytest.mark.parametrize(
    ("changed", "headline"),
    [
        ({}, "Worth using: better than every baseline, and 4.9 points below people’s agreement."),
        (
            {"baselines": {"longer_wins": beside(0.7, 0.06, -0.01, 0.12)}},
            "Not proven: not measurably better than always preferring the longer response.",
        ),
        (
            {"baselines": {"word_counts": beside(0.8, -0.04, -0.08, 0.01)}},
            "Not worth using: no better than counting words.",
        ),
        (
            {"baselines": {"word_counts": beside(0.6, 0.16, 0.1, 0.2)
                           | {"near_equal": beside(0.7, 0.01, -0.03, 0.05)}}},
            ("Of limited use: better than every baseline, but not measurably so at near-equal"
            " length."),
        ),
        (
            {"baselines": {"word_counts": beside(0.66, 0.1, 0.07, 0.13),
                           "reward_model": beside(0.75, 0.01, -0.02, 0.04)}},
            ("Of limited use: better than every baseline, but not measurably better than the reward"
             " model alone. "),
        ),
        (
            {"baselines": {"word_counts": beside(0.66, 0.1, 0.07, 0.13),
                           "longer_wins": beside(0.65, 0.11, -0.01, 0.2)}},
            "Not proven: not measurably better than always preferring the longer response.",
        ),
        ({"prompts": 1}, "Not known: 1 held-out prompt is too few to judge the model."),
        (
            {"accuracy": 0.85},
            ("Worth using: better than every baseline, and as accurate as people agree with each"
            " other."),
        ),
    ],
)  # fmt: skip
def test_a_run_begins_with_the_verdict_on_its_model(
    run: TrainingRun, manager: Member, changed: dict[str, Any], headline: str
) -> None:
    run.metrics["held_out"] |= changed
    run.save()
    page = get(manager, run)
    assert headline in text_of(page)
    assert page.index('id="verdict-title"') < page.index('class="figures"')


def test_the_verdict_tells_what_the_reward_model_reached_alone(
    run: TrainingRun, manager: Member
) -> None:
    run.metrics["held_out"]["baselines"] |= {
        "reward_model": beside(0.71, 0.05, 0.02, 0.08),
        "before_training": beside(0.7, 0.06, 0.03, 0.09),
    }
    run.save()
    words = text_of(get(manager, run))
    lead = "a lead of +5.0 points (95 % interval +2.0 to +8.0)"
    assert f"The reward model alone reaches 71.0 %: {lead}." in words
    assert "Before training, the model reached 70.0 %: a lead of +6.0 points" in words
    assert "Worth using" in words


def test_the_verdict_gives_its_figures(run: TrainingRun, manager: Member) -> None:
    words = text_of(get(manager, run))
    for sentence in (
        (
            "The model orders 76.1\u202f% (95\u00a0% interval 73.3–78.8) of the 3,480 comparisons"
            " on 201 held-out prompts as people did."
        ),
        (
            "Counting words, the better baseline, reaches 66.2\u202f% (95\u00a0% interval"
            " 63.0–69.5): a lead of +9.9 points (95\u00a0% interval +7.0 to +12.7)."
        ),
        (
            "it orders 71.8\u202f% (95\u00a0% interval 68.0–75.0) of 1,200 comparisons, and the"
            " baseline 55.4\u202f%: a lead of +16.4 points (95\u00a0% interval +11.0 to +20.0)."
        ),
        "Two people agree on 81.0\u202f% (95\u00a0% interval 78.0–83.0) of the 900 held-out pairs",
    ):
        assert " ".join(sentence.split()) in words


def test_the_head_has_the_name_the_note_and_the_tags(run: TrainingRun, manager: Member) -> None:
    assert f"<h1>Run {run.pk}</h1>" in get(manager, run)
    run.name, run.note, run.tags = "Seven <b>epochs</b>", "Too long?", "rnn slow"
    run.save()
    page = get(manager, run, "log/")
    assert "<h1>Seven &lt;b&gt;epochs&lt;/b&gt;</h1>" in page
    assert f"Run {run.pk} · " in page
    assert "Too long?" in page
    assert f'href="{RUNS}?tag=slow"' in page


def test_figures_of_an_earlier_version_give_no_verdict(run: TrainingRun, manager: Member) -> None:
    run.metrics = {"held_out": {"accuracy": 0.7, "prompts": 40, "baselines": "?"}}
    run.save()
    assert verdict_on(run) is None
    assert 'id="verdict-title"' not in get(manager, run)


def test_the_run_says_how_well_it_knows_differences_of_rewards(run: TrainingRun) -> None:
    plot = run_plots.calibration_plot(run)
    assert plot is not None
    assert len(plot.notes) == 1
    run.metrics["held_out"]["intervals"] = {"half_width": 0.456, "lead": 1.234}
    plot = run_plots.calibration_plot(run)
    assert plot is not None
    assert plot.notes[1].startswith("Half of the differences between rewards are known to within")
    assert "±0.46 (95" in plot.notes[1]
    assert "larger than 1.23." in plot.notes[1]


def test_the_calibration_is_shown_with_the_temperature_too(
    run: TrainingRun, manager: Member
) -> None:
    bins = [
        {"low": 0.5, "high": 0.55, "comparisons": 0},
        {"low": 0.6, "high": 0.65, "comparisons": 9, "confidence": 0.63, "accuracy": 0.667},
    ]
    scaling = {"value": 1.742, "log_loss": 0.55, "calibration": {"ece": 0.008, "bins": bins}}
    run.metrics["held_out"]["temperature"] = scaling
    run.save()
    plain, scaled = run_plots.calibration_plots(run)
    assert [point.x for point in plain.series[0].points] == [52.0]
    assert [point.x for point in scaled.series[0].points] == [63.0]
    words = text_of(get(manager, run))
    assert "Expected calibration error 1.7 % on 7 held-out comparisons" in words
    assert "With its temperature of 1.74 Expected calibration error 0.8 % once" in words
    assert "It is measured on 9 comparisons" in words


@pytest.mark.parametrize(
    "scaling", [{"value": 1.0, "calibration": {"ece": 0.017}}, "?", {}, {"value": 2.0}]
)
def test_a_temperature_that_changes_nothing_is_not_shown(run: TrainingRun, scaling: Any) -> None:
    run.metrics["held_out"]["temperature"] = scaling
    [plot] = run_plots.calibration_plots(run)
    assert plot.key == "plot-calibration"
    said = "A temperature would not make its confidence more accurate." in plot.notes
    assert said == (scaling == {"value": 1.0, "calibration": {"ece": 0.017}})
