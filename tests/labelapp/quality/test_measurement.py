"""Agreement: the rankings that count, the measurement in the background, and the page."""

import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from labelapp.jobs import jobs
from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import (
    AgreementMeasurement,
    Member,
    Origin,
    Project,
    Ranking,
    SkipReason,
    State,
)
from labelapp.quality import measurement, tasks
from labelapp.quality.coefficients import measure
from labelapp.quality.measurement import last_measurement
from labelapp.quality.rankings import rankings_by_prompt
from labelapp.quality.results import LabellerAgreement
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.jobs.test_queues import run_worker
from tests.labelapp.labelling.acting import skip, submit
from tests.labelapp.quality.measured import add_measured

URL = "/projects/kitchen/agreement/"
MEASURE = f"{URL}measure/"
STOP = f"{URL}stop/"
MEASURED = f"{URL}measured/"


def agreed(project: Project) -> tuple[float | None, int]:
    found = measure(rankings_by_prompt(project)).named()["agreement"]
    return found.value, found.count


# Which rankings count


def test_rankings_come_prompt_by_prompt_with_their_ranks(ranked_twice: Project) -> None:
    prompts = list(rankings_by_prompt(ranked_twice))
    assert [len(rankings) for rankings in prompts] == [2] * 6
    assert [list(ranking.ranks.values()) for ranking in prompts[0]] == [[1, 2, 3, 4], [2, 1, 3, 3]]
    assert agreed(ranked_twice) == (0.8, 30)


@pytest.mark.parametrize(
    "fields",
    [
        {"is_current": False},
        {"surplus": True},
        {"origin": Origin.ADJUDICATED},  # who adjudicates has seen what the others say
    ],
)
def test_a_ranking_that_does_not_count_changes_nothing(
    ranked_twice: Project, manager: Member, add_ranking: AddRanking, fields: dict[str, Any]
) -> None:
    add_ranking(ranked_twice.prompts.earliest("pk"), manager, (4, 3, 2, 1), **fields)
    assert agreed(ranked_twice) == (0.8, 30)


def test_an_imported_ranking_counts(
    ranked_twice: Project, manager: Member, add_ranking: AddRanking
) -> None:
    add_ranking(ranked_twice.prompts.earliest("pk"), manager, (1, 2, 3, 4), origin=Origin.IMPORTED)
    # With the one it agrees on all 6, with the other on 4 of 5.
    assert agreed(ranked_twice) == ((24 + 6 + 4) / (30 + 6 + 5), 41)


def test_another_projects_rankings_stay_out(ranked_twice: Project) -> None:
    other = Project.objects.create(name="Garden", slug="garden")
    assert list(rankings_by_prompt(other)) == []


def test_reading_takes_two_queries_however_many_rankings(
    ranked_twice: Project,
    labeller: Member,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    django_assert_num_queries: Any,
) -> None:
    with django_assert_num_queries(2):
        assert len(list(rankings_by_prompt(ranked_twice))) == 6
    for number in range(20):
        add_ranking(add_prompt(f"More {number}?"), labeller, (1, 2, 3, 4))
    with django_assert_num_queries(2):
        assert len(list(rankings_by_prompt(ranked_twice))) == 26


def test_a_ranking_made_here_comes_with_its_time_and_how_it_was_shown(
    labeller: Member, bob: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    for number in range(3):
        add_ranking(add_prompt(f"Before {number}?"), bob, (1, 2, 3, 4), origin=Origin.IMPORTED)
    prompt = add_prompt(responses=("A", "Bb", "Ccc", "Dddd"))
    assignment = assignments.current_assignment(labeller)
    assert assignment is not None
    while assignment.prompt_id != prompt.pk:
        skip(assignment=assignment, reason=SkipReason.OTHER)
        assignment = assignments.current_assignment(labeller)
        assert assignment is not None
    letters = {"A": 1, "B": 2, "C": 3, "D": 3}
    made = submit(assignment=assignment, entered=RankingInput(letters), seconds=0)
    Ranking.objects.filter(pk=made.pk).update(seconds=12.5)
    add_ranking(prompt, bob, (1, 2, 3, 4), origin=Origin.IMPORTED)
    here, elsewhere = list(rankings_by_prompt(labeller.project))[-1]
    assert here.places == {pk: place for place, pk in enumerate(assignment.order)}
    assert [here.ranks[pk] for pk in assignment.order] == [1, 2, 3, 3]
    assert list((here.lengths or {}).values()) == [1, 2, 3, 4]
    assert here.seconds == 12.5
    assert (elsewhere.places, elsewhere.seconds) == (None, None)


# Measuring


def test_what_is_measured_survives_the_way_through_json(ranked_twice: Project) -> None:
    found = measure(rankings_by_prompt(ranked_twice))
    assert LabellerAgreement.from_json(found.to_json()) == found


def test_the_command_says_each_figure_in_a_line(
    ranked_twice: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("measure_agreement", project="kitchen")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "Rankings: 12, labellers: 2, prompts: 6. 6 prompts were ranked by two or more labellers."
    )
    name, _, figure = lines[1].partition(" ")
    assert name == "agreement"
    assert figure.strip() == (
        "0.800 (95% interval 0.800 to 0.800; chance 0.500; 30 comparisons, 6 prompts)"
    )
    assert len(lines) == 6


def test_the_page_shows_what_the_command_measured(ranked_twice: Project, manager: Member) -> None:
    call_command("measure_agreement", project="kitchen")
    page = sign_in(manager).get(URL).content.decode()
    assert "80.0\u202f%" in page
    assert "Measure again" in page


def test_the_command_says_why_a_figure_is_not_defined(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("measure_agreement", project="kitchen")
    assert capsys.readouterr().out.count("not defined: Nobody has ranked yet.") == 5


def test_the_command_refuses_a_project_that_is_not_there(db: None) -> None:
    with pytest.raises(CommandError, match="there is no project 'garden'"):
        call_command("measure_agreement", project="garden")


@pytest.mark.django_db(transaction=True)
def test_a_manager_measures_and_the_task_worker_brings_the_figures(
    ranked_twice: Project, manager: Member
) -> None:
    browser = sign_in(manager)
    assert "Not measured yet" in browser.get(URL).content.decode()
    assert browser.post(MEASURE).headers["Location"] == URL
    waiting = browser.get(URL).content.decode()
    assert "Measuring" in waiting
    assert f'hx-get="{MEASURED}"' in waiting
    run_worker("default")
    page = browser.get(MEASURED).content.decode()
    assert "Measuring" not in page
    assert "80.0\u202f%" in page
    assert "30 comparisons on 6 prompts" in page
    assert last_measurement(ranked_twice).agreement == measure(rankings_by_prompt(ranked_twice))
    assert AgreementMeasurement.objects.get().created_by == manager.user


def test_measuring_twice_at_once_measures_once(ranked_twice: Project, reviewer: Member) -> None:
    browser = sign_in(reviewer)
    browser.post(MEASURE)
    browser.post(MEASURE)
    assert DBTaskResult.objects.count() == AgreementMeasurement.objects.count() == 1


def test_one_projects_measurement_is_not_shown_for_another(
    ranked_twice: Project, manager: Member
) -> None:
    sign_in(manager).post(MEASURE)
    other = Project.objects.create(name="Garden", slug="garden")
    assert last_measurement(ranked_twice).is_active
    assert not last_measurement(other).is_active


def test_a_measurement_that_failed_says_why_and_leaves_the_last_figures(
    ranked_twice: Project, manager: Member
) -> None:
    add_measured(ranked_twice, measure(rankings_by_prompt(ranked_twice)).to_json())
    browser = sign_in(manager)
    browser.post(MEASURE)
    queued = AgreementMeasurement.objects.get(state=State.QUEUED)

    def measure_in_vain() -> None:
        raise jobs.FailedError("The disk is full.")

    jobs.execute(queued, measure_in_vain)
    page = browser.get(URL).content.decode()
    assert "The last measurement failed: The disk is full." in page
    assert "80.0\u202f%" in page
    assert "Measure again" in page


def test_a_measurement_whose_process_fails_ends_with_its_last_words(
    ranked_twice: Project, manager: Member
) -> None:
    sign_in(manager).post(MEASURE)
    queued = AgreementMeasurement.objects.get()
    measurement.execute(queued)  # by a process that does not find the database of this test
    assert queued.state == State.FAILED
    assert re.fullmatch(r".+\.", queued.reason)


@pytest.fixture
def running(ranked_twice: Project, manager: Member) -> AgreementMeasurement:
    sign_in(manager).post(MEASURE)
    long_ago = timezone.now() - 2 * AgreementMeasurement.LOST_AFTER
    AgreementMeasurement.objects.update(state=State.RUNNING, heartbeat_at=long_ago)
    return AgreementMeasurement.objects.get()


def test_a_long_measurement_that_gives_signs_of_life_is_not_taken_for_lost(
    running: AgreementMeasurement,
) -> None:
    assert jobs.beat(running)
    assert last_measurement(running.project).is_active


def test_a_measurement_whose_worker_has_gone_can_be_asked_for_again(
    running: AgreementMeasurement, manager: Member
) -> None:
    browser = sign_in(manager)
    assert "The task worker stopped responding." in browser.get(URL).content.decode()
    browser.post(MEASURE)
    assert DBTaskResult.objects.count() == 2
    assert last_measurement(running.project).is_active


def test_a_waiting_measurement_stops_at_once(ranked_twice: Project, manager: Member) -> None:
    browser = sign_in(manager)
    browser.post(MEASURE)
    assert browser.post(STOP).headers["Location"] == URL
    queued = AgreementMeasurement.objects.get()
    assert tasks.measure_agreement.call(queued.pk) == "stopped"
    assert "failed: Stopped on request." in browser.get(URL).content.decode()


def test_a_running_measurement_stops_on_request(
    running: AgreementMeasurement, manager: Member
) -> None:
    browser = sign_in(manager)
    AgreementMeasurement.objects.update(heartbeat_at=timezone.now())
    browser.post(STOP)
    assert "Stopping…" in browser.get(MEASURED).content.decode()
    with pytest.raises(jobs.StoppedError):
        measurement.measure(running)
