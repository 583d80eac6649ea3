"""Measuring a run's review in the background, and the pages that show it."""

import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from labelapp.jobs import jobs
from labelapp.models import (
    Member,
    Project,
    Prompt,
    PromptAgreement,
    Ranking,
    Rating,
    ReviewMeasurement,
    State,
    TrainingRun,
    User,
)
from labelapp.projects import deletion
from labelapp.reviewing import measurement, tasks
from labelapp.reviewing.figures import measure
from labelapp.reviewing.measurement import last_measurement
from labelapp.reviewing.records import scored_prompts
from labelapp.reviewing.results import Review, SourceRatings
from labelapp.reviewing.review import review
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp import drawn
from tests.labelapp.jobs.test_queues import run_worker
from tests.labelapp.reviewing.scored import URL, score
from tests.labelapp.runs.pages import text_of

FIGURES, MEASURE = f"{URL}figures/", f"{URL}measure/"


def measured(run: TrainingRun) -> Review:
    found, _ = measure(run)
    return found


def add_measured(run: TrainingRun, **fields: Any) -> ReviewMeasurement:
    now = timezone.now()
    values = {"state": State.DONE, "started_at": now, "finished_at": now} | fields
    result = values.pop("result", None) or measured(run).to_json()
    return ReviewMeasurement.objects.create(project=run.project, run=run, result=result, **values)


def test_the_prompts_are_read_with_scores_and_current_rankings(
    prompts: list[Prompt],
    run: TrainingRun,
    manager: Member,
    add_ranking: AddRanking,
    add_prompt: AddPrompt,
    django_assert_num_queries: Any,
) -> None:
    add_ranking(prompts[2], manager, [4, 3, 2, 1], version=2, is_current=False)
    add_ranking(prompts[2], manager, [1, 1, 2, 3], version=3, origin="adjudicated")
    add_ranking(add_prompt("Not scored?"), manager, [1, 2, 3, 4])
    with django_assert_num_queries(3):
        found = list(scored_prompts(run))
    assert [one.prompt for one in found] == [prompt.pk for prompt in prompts]
    assert [one.held_out for one in found] == [True] * 6 + [False] * 2
    assert [len(one.rankings) for one in found] == [2, 2, 3, 2, 2, 2, 2, 2]
    assert [len(one.own) for one in found] == [2] * 8
    first = next(iter(found[0].responses.values()))
    assert (first.source, first.words, first.characters) == ("model-0", 4, 27)


def test_all_figures_are_measured_in_one_pass(prompts: list[Prompt], run: TrainingRun) -> None:
    found = measured(run)
    assert (found.prompts, found.rankings, found.model_prompts) == (8, 16, 6)
    assert found.is_held_out
    board = found.leaderboard
    assert board.standings[0].source == "model-0"
    assert board.comparisons == 16 * 6
    assert {one.comparisons for one in board.standings} == {16 * 3}
    assert {one.responses for one in board.standings} == {6}
    kinds = [one.kind for one in found.raters]
    assert kinds == ["person", "person", "model", "longer", "words"]
    people, model = found.agreements[0], found.agreements[1]
    assert (people.agreed, people.comparisons, people.prompts) == (8 * 4, 8 * 6, 8)
    assert (model.agreed, model.comparisons) == (36, 36)  # the manager's, on the held-out prompts
    assert [one.rank for one in found.by_rank] == [1, 2, 3, 4]
    assert [one.placements for one in found.by_rank] == [12, 12, 18, 6]
    assert found.by_length.responses == 24


def test_scores_and_flags_are_counted_by_source(
    prompts: list[Prompt], run: TrainingRun, labeller: Member, manager: Member
) -> None:
    assert measured(run).ratings == []
    for number, ranking in enumerate(Ranking.objects.filter(member=labeller)):
        first, second, *_ = ranking.prompt.responses.order_by("pk")
        flags = ["Harmful"] if number < 4 else []
        Rating.objects.create(ranking=ranking, response=first, score=2 + number % 2, flags=flags)
        Rating.objects.create(ranking=ranking, response=second)
    review = measured(run)
    [found] = review.ratings
    counted = replace(found, score_low=None, score_high=None)
    assert counted == SourceRatings("model-0", 16, 8, 2.5, {"Harmful": 4})
    assert 2 < (found.score_low or 0) < 2.5 < (found.score_high or 0) < 3
    assert Review.from_json(json.loads(json.dumps(review.to_json()))) == review
    add_measured(run)
    page = text_of(sign_in(manager).get(FIGURES).content.decode())
    assert "model-0 16 2.50 2.13–2.88 · 8 scores 25.0 % 10.2–49.5 · 4" in page


def test_with_too_few_held_out_prompts_the_model_is_measured_on_all(
    prompts: list[Prompt], run: TrainingRun
) -> None:
    PromptAgreement.objects.filter(prompt__in=prompts[2:]).update(held_out=False)
    found = measured(run)
    assert not found.is_held_out
    assert found.model_prompts == 8


def test_a_result_is_stored_and_read_again(prompts: list[Prompt], run: TrainingRun) -> None:
    found = measured(run)
    assert Review.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_a_run_without_rankings_or_sources_is_measured(
    run: TrainingRun, add_prompt: AddPrompt, tmp_path: Path
) -> None:
    assert measured(run).prompts == 0
    prompt = add_prompt()
    prompt.responses.update(source="")
    score(run, tmp_path / "x", dict.fromkeys(prompt.responses.values_list("pk", flat=True), 1.0))
    found = measured(run)
    assert found.leaderboard.standings == []
    assert found.leaderboard.unattributed == 4
    assert found.by_length.correlation is None  # equal rewards
    assert Review.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found


def test_the_command_prints_the_figures_and_stores_the_margins(
    prompts: list[Prompt], run: TrainingRun, labeller: Member
) -> None:
    Ranking.objects.filter(member=labeller).delete()
    Ranking.objects.filter(prompt=prompts[0]).update(is_current=False)
    placements = Ranking.objects.get(prompt=prompts[1]).placements
    for place, placement in enumerate(placements.order_by("-response")):
        placement.rank = place + 1
        placement.save()
    PromptAgreement.objects.update(margin=7)  # of an earlier measurement
    out = io.StringIO()
    call_command("measure_review", str(run.pk), stdout=out)
    assert Review.from_json(json.loads(out.getvalue())) == measured(run)
    margins = dict(PromptAgreement.objects.values_list("prompt_id", "margin"))
    assert margins == {prompt.pk: 1.0 if prompt == prompts[1] else 0.0 for prompt in prompts}
    [shown] = review(
        run, list(PromptAgreement.objects.filter(prompt=prompts[1]).select_related("prompt"))
    )
    assert shown.margin == 1.0  # a lead of 3 against one person


def test_the_command_needs_a_finished_run(run: TrainingRun) -> None:
    TrainingRun.objects.update(state=State.STOPPED)
    with pytest.raises(CommandError, match="there is no finished run"):
        call_command("measure_review", str(run.pk))


# The job


@pytest.mark.django_db(transaction=True)
def test_the_first_visit_measures_and_the_task_worker_brings_the_figures(
    prompts: list[Prompt], run: TrainingRun, reviewer: Member
) -> None:
    browser = sign_in(reviewer)
    page = browser.get(URL).content.decode()
    assert f'hx-post="{MEASURE}" hx-trigger="load, submit"' in page
    answer = browser.post(MEASURE, {"run": run.pk, "page": "list"})
    assert answer.headers["Location"] == f"{URL}?run={run.pk}"
    assert "Measuring the figures" in browser.get(URL).content.decode()
    run_worker("default")
    page = browser.get(URL).content.decode()
    assert "Measuring" not in page
    assert "hx-post" not in page  # it is not measured again by itself
    assert "Who writes the better responses" in page
    assert last_measurement(run).review == measured(run)
    assert ReviewMeasurement.objects.get().created_by == reviewer.user


def test_measuring_twice_at_once_measures_once(run: TrainingRun, manager: Member) -> None:
    browser = sign_in(manager)
    for _ in range(2):
        answer = browser.post(MEASURE, {"run": run.pk, "page": "figures"})
        assert answer.headers["Location"] == f"{FIGURES}?run={run.pk}"
    assert DBTaskResult.objects.count() == ReviewMeasurement.objects.count() == 1


def test_a_measurement_that_fails_says_why_and_leaves_the_last_figures(
    prompts: list[Prompt], run: TrainingRun, manager: Member
) -> None:
    add_measured(run)
    browser = sign_in(manager)
    browser.post(MEASURE, {"run": run.pk})
    queued = ReviewMeasurement.objects.get(state=State.QUEUED)
    measurement.execute(queued)  # by a process that does not find the database of this test
    assert queued.state == State.FAILED
    page = browser.get(URL).content.decode()
    assert "The last measurement failed:" in page
    assert "Who writes the better responses" in page


def test_a_measurement_whose_worker_has_gone_can_be_asked_for_again(
    run: TrainingRun, manager: Member
) -> None:
    browser = sign_in(manager)
    browser.post(MEASURE, {"run": run.pk})
    long_ago = timezone.now() - 2 * ReviewMeasurement.LOST_AFTER
    ReviewMeasurement.objects.update(state=State.RUNNING, heartbeat_at=long_ago)
    assert "stopped responding" in browser.get(URL).content.decode()
    browser.post(MEASURE, {"run": run.pk})
    assert last_measurement(run).is_active


def test_a_measurement_stops_with_its_project(run: TrainingRun, manager: Member) -> None:
    sign_in(manager).post(MEASURE, {"run": run.pk})
    deletion.begin(run.project, by="a test")
    deletion.stop_jobs(run.project)
    stopped = ReviewMeasurement.objects.get()
    assert tasks.measure_review.call(stopped.pk) == "stopped"


def test_a_running_measurement_stops_on_request(run: TrainingRun, manager: Member) -> None:
    sign_in(manager).post(MEASURE, {"run": run.pk})
    ReviewMeasurement.objects.update(
        state=State.RUNNING, heartbeat_at=timezone.now(), stop_requested=True
    )
    with pytest.raises(jobs.StoppedError):
        measurement.measure(ReviewMeasurement.objects.get())


def test_rankings_made_since_are_told(
    prompts: list[Prompt], run: TrainingRun, manager: Member, add_ranking: AddRanking
) -> None:
    add_measured(run)
    browser = sign_in(manager)
    assert "The rankings have changed since" not in browser.get(URL).content.decode()
    ann = Member.objects.create(project=run.project, name="ann")
    add_ranking(prompts[0], ann, [1, 2, 3, 4], created_at=timezone.now() + timedelta(seconds=1))
    page = browser.get(URL).content.decode()
    assert "The rankings have changed since" in page
    assert "Measure again" in page


@pytest.mark.parametrize("odd", [{}, {"prompts": 3}, {"leaderboard": []}, {"leaderboard": None}])
def test_an_odd_result_takes_no_page_away(
    run: TrainingRun, manager: Member, odd: dict[str, object]
) -> None:
    now = timezone.now()
    ReviewMeasurement.objects.create(
        project=run.project, run=run, result=odd, state=State.DONE, started_at=now, finished_at=now
    )
    for url in (URL, FIGURES):
        page = sign_in(manager).get(url)
        assert page.status_code == 200
        assert "not measured yet" in page.content.decode()


# The pages


def test_the_page_of_figures_has_every_figure_with_its_count_and_interval(
    prompts: list[Prompt], run: TrainingRun, manager: Member
) -> None:
    bins = [
        {"low": 0.5, "high": 0.55, "comparisons": 40, "confidence": 0.52, "accuracy": 0.6},
        {"low": 0.55, "high": 0.6, "comparisons": 0},
    ]
    run.metrics["held_out"] |= {"calibration": {"ece": 0.08, "bins": bins}}
    run.save()
    add_measured(run)
    page = sign_in(manager).get(FIGURES).content.decode()
    for text in (
        "16 rankings of 8 prompts",
        "from the 6 prompts that it held out",
        "96 comparisons of responses by two sources",
        "8 prompts</span>",
        "6 responses</span>",
        "manager",
        "Model of run",
        "Longer wins",
        "More words win",
        "67\u202f%<span",  # manager and labeller agree on 32 of 48
        "48</span>",
        "Expected calibration error 8.0\u202f%",
        "60.0\u202f% (44.6–73.7)",
        "words in the response",
        "human rank (1 is best)",
        "Same answer, in %</",
    ):
        assert text in page, text
    assert f"?run={run.pk}&amp;source=model-0" in page


def test_the_points_of_plots_lead_to_what_is_behind_them(
    prompts: list[Prompt], run: TrainingRun, manager: Member
) -> None:
    add_measured(run)
    prompts[1].delete()
    browser = sign_in(manager)
    charts = drawn.charts(browser.get(FIGURES).content.decode())
    [by_rank], [by_length] = (charts[key]["series"] for key in ("plot-ranks", "plot-length"))
    assert by_rank["url"] == [f"{URL}?run={run.pk}&rank={rank}&held_out=1" for rank in (1, 2, 3, 4)]
    assert "5 of 7 prompts" in browser.get(by_rank["url"][3]).content.decode()
    there = [f"{URL}{one.pk}/?run={run.pk}" for one in prompts[:6] if one.pk]
    assert set(by_length["url"]) == {*there, ""}
    assert by_length["url"].count("") == 4  # the responses of the deleted prompt
    assert browser.get(there[0]).status_code == 200


def test_points_of_an_earlier_version_lead_nowhere(
    prompts: list[Prompt], run: TrainingRun, manager: Member
) -> None:
    result = json.loads(json.dumps(measured(run).to_json()))
    result["by_length"]["points"] = [point[:2] for point in result["by_length"]["points"]]
    add_measured(run, result=result)
    charts = drawn.charts(sign_in(manager).get(FIGURES).content.decode())
    [by_length] = charts["plot-length"]["series"]
    assert len(by_length["x"]) == 24
    assert "url" not in by_length


def test_names_of_people_are_not_stored(prompts: list[Prompt], run: TrainingRun) -> None:
    """Somebody who is anonymised leaves no name in a measurement."""
    text = json.dumps(measured(run).to_json())
    assert "manager" not in text
    assert "labeller" not in text


def test_without_a_run_there_are_no_figures(manager: Member) -> None:
    assert sign_in(manager).get(FIGURES).headers["Location"] == URL


def test_figures_are_for_managers_and_reviewers(
    run: TrainingRun, labeller: Member, reviewer: Member, outsider: User
) -> None:
    assert sign_in(reviewer).get(FIGURES).status_code == 200
    assert sign_in(labeller).get(FIGURES).status_code == 403
    assert sign_in(outsider).get(FIGURES).status_code == 404
    assert Client().get(FIGURES).status_code == 302
    given = {"run": run.pk}
    assert sign_in(reviewer).get(MEASURE).status_code == 405
    assert sign_in(labeller).post(MEASURE, given).status_code == 403
    assert sign_in(outsider).post(MEASURE, given).status_code == 404
    assert Client().post(MEASURE, given).status_code == 302
    assert not ReviewMeasurement.objects.exists()


def test_a_run_of_another_project_is_not_measured(
    run: TrainingRun, manager: Member, run_elsewhere: TrainingRun
) -> None:
    browser = sign_in(manager)
    for number in (run_elsewhere.pk, "", "x", "9" * 5000):
        assert browser.post(MEASURE, {"run": number}).status_code == 404
    assert browser.get(FIGURES, {"run": run_elsewhere.pk}).status_code == 404


@pytest.fixture
def run_elsewhere(db: None) -> TrainingRun:
    attic = Project.objects.create(name="Attic", slug="attic")
    return TrainingRun.objects.create(project=attic, state="done", finished_at=timezone.now())


def test_the_page_of_figures_makes_the_same_queries_whatever_it_holds(
    prompts: list[Prompt],
    run: TrainingRun,
    manager: Member,
    add_ranking: AddRanking,
    django_assert_num_queries: Any,
) -> None:
    browser = sign_in(manager)
    for number in range(2):
        for member in range(5 * number):
            person = Member.objects.create(project=run.project, name=f"person {member}")
            add_ranking(prompts[member], person, [1, 2, 3, 4])
        add_measured(run)
        with django_assert_num_queries(11):
            browser.get(FIGURES)
