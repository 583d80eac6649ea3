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
    Role,
    SkipReason,
    State,
    User,
)
from labelapp.people.exclusions import exclude
from labelapp.quality import measurement, tasks
from labelapp.quality.coefficients import measure
from labelapp.quality.measurement import last_measurement
from labelapp.quality.rankings import rankings_by_prompt
from labelapp.quality.results import Agreement
from tests.conftest import AddPrompt, AddRanking, join, sign_in
from tests.labelapp import drawn
from tests.labelapp.jobs.test_queues import run_worker
from tests.labelapp.labelling.acting import skip, submit

URL = "/projects/kitchen/agreement/"
MEASURE = f"{URL}measure/"
STOP = f"{URL}stop/"
MEASURED = f"{URL}measured/"


@pytest.fixture
def bob(project: Project) -> Member:
    return join(project, "bob", Role.LABELLER)


@pytest.fixture
def ranked_twice(
    labeller: Member, bob: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> Project:
    """Six prompts ranked by two labellers, who agree on 4 of 5 comparisons."""
    for number in range(6):
        prompt = add_prompt(f"Prompt {number}?")
        add_ranking(prompt, labeller, (1, 2, 3, 4))
        add_ranking(prompt, bob, (2, 1, 3, 3))
    return labeller.project


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
    assert Agreement.from_json(found.to_json()) == found


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


def add_measured(project: Project, found: dict[str, Any]) -> None:
    """Add a finished measurement with this result."""
    AgreementMeasurement.objects.create(
        project=project, state=State.DONE, result=found, finished_at=timezone.now()
    )


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


# The page


def shown(project: Project, manager: Member) -> str:
    add_measured(project, measure(rankings_by_prompt(project)).to_json())
    return re.sub(r"[ \n]+", " ", sign_in(manager).get(URL).content.decode())


def test_the_page_shows_figures_beside_the_published_ones(
    ranked_twice: Project, manager: Member
) -> None:
    page = shown(ranked_twice, manager)
    assert "12 rankings · 6 prompts · 2 labellers" in page
    for text in (
        "72.6\u202f%",
        "77.3\u202f%",
        "50\u202f%",
        "arXiv 2203.02155",
        "chance level 42.7\u202f%",
        "+0.55",
    ):
        assert text in page, text
    for unit in ("6 pairs of rankings on 6 prompts", "24 responses on 6 prompts", "6 prompts"):
        assert unit in page, unit


def test_the_page_says_why_a_figure_is_not_defined(
    labeller: Member, manager: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    add_ranking(add_prompt(), labeller, (1, 2, 3, 4))
    page = shown(labeller.project, manager)
    assert (
        page.count("ot defined. Only one labeller has ranked. Agreement needs at least two.") == 5
    )


def test_the_page_takes_the_same_queries_however_many_measurements(
    ranked_twice: Project, manager: Member, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        shown(ranked_twice, manager)
    browser = sign_in(manager)
    with django_assert_max_num_queries(10):
        browser.get(URL)


def test_the_page_shows_each_labeller_beside_all_together(
    ranked_twice: Project, labeller: Member, manager: Member
) -> None:
    page = shown(ranked_twice, manager)
    table = page[page.index("All figures of each labeller") :]
    table = table[: table.index("</table>")]
    names = [">labeller<", ">bob<", ">All together<"]
    assert [table.count(name) for name in names] == [1, 1, 1]
    # Bob ties 1 of 6 pairs of each prompt, the labeller none.
    assert "16.7\u202f%" in table
    assert "Prefers what came first" not in table  # the order shown is known of nobody
    Member.objects.filter(pk=labeller.pk).update(name="Ann")
    assert ">Ann<" in sign_in(manager).get(URL).content.decode()


def test_the_page_says_who_stands_out_and_why(
    ranked_twice: Project, labeller: Member, manager: Member
) -> None:
    assert "Nobody stands out." in shown(ranked_twice, manager)
    found = measure(rankings_by_prompt(ranked_twice)).to_json()
    person = next(one for one in found["people"] if one["member"] == labeller.pk)
    person["alarms"] = [{"kind": "ties", "badge": "Ties a lot", "text": "Ties 99 of 100."}]
    add_measured(ranked_twice, found)
    page = re.sub(r"[ \n]+", " ", sign_in(manager).get(URL).content.decode())
    assert "1 of 2 labellers stands out." in page
    assert "Ties 99 of 100." in page
    assert page.count("Ties a lot") == 2  # at the top, and beside the name


def test_the_page_counts_gold_prompts_and_warns_of_none(
    ranked_twice: Project, manager: Member
) -> None:
    assert "gold prompt" not in shown(ranked_twice, manager)
    Project.objects.update(gold_share=5)
    assert "but no prompt has a gold ranking" in shown(ranked_twice, manager)
    Ranking.objects.filter(pk=Ranking.objects.earliest("pk").pk).update(is_gold=True)
    assert ">1 gold prompt</a>" in shown(ranked_twice, manager)


@pytest.mark.parametrize("url", [URL, MEASURED])
def test_reviewers_see_it_and_labellers_are_refused(
    reviewer: Member, labeller: Member, url: str
) -> None:
    assert sign_in(reviewer).get(url).status_code == 200
    assert sign_in(labeller).get(url).status_code == 403
    assert sign_in(labeller).post(MEASURE).status_code == 403
    assert sign_in(labeller).post(STOP).status_code == 403
    assert sign_in(reviewer).post(url).status_code == 405


@pytest.mark.parametrize("url", [URL, MEASURED])
def test_a_stranger_finds_nothing(manager: Member, outsider: User, url: str) -> None:
    assert sign_in(outsider).get(url).status_code == 404
    assert sign_in(outsider).post(MEASURE).status_code == 404
    assert sign_in(outsider).post(STOP).status_code == 404
    assert sign_in(manager).get(MEASURE).status_code == 405


@pytest.mark.parametrize("url", [URL, MEASURED])
def test_who_is_signed_out_is_sent_to_sign_in(project: Project, client: Any, url: str) -> None:
    assert client.get(url).headers["Location"] == f"/sign-in/?next={url}"
    assert client.post(MEASURE).status_code == 302
    assert DBTaskResult.objects.count() == 0


def test_only_managers_and_reviewers_are_led_there(manager: Member, labeller: Member) -> None:
    assert f'href="{URL}"' in sign_in(manager).get("/projects/kitchen/").content.decode()
    assert f'href="{URL}"' not in sign_in(labeller).get("/projects/kitchen/").content.decode()


def test_the_front_page_says_how_far_labellers_agree_and_what_is_to_decide(
    ranked_twice: Project, manager: Member, labeller: Member
) -> None:
    def front(member: Member) -> str:
        page = sign_in(member).get("/projects/kitchen/").content.decode()
        return " ".join(re.sub(r"<[^>]*>", " ", page).split())

    assert "not measured yet" in front(manager)
    call_command("measure_agreement", project="kitchen")
    assert "6 disagreements to decide" in front(manager)
    assert "disagreements to decide" not in front(labeller)


# Plots


@pytest.fixture
def three_rank(ranked_twice: Project, manager: Member, add_ranking: AddRanking) -> Project:
    """Six prompts that a labeller and bob have ranked, and a third one the other way round."""
    for prompt in ranked_twice.prompts.all():
        add_ranking(prompt, manager, (4, 3, 2, 1))
    return ranked_twice


def test_each_labeller_has_a_dot_and_a_link_in_each_plot_that_has_values(
    three_rank: Project, labeller: Member, manager: Member
) -> None:
    page = shown(three_rank, manager)
    titles = re.findall(r"<figcaption[^>]*>([^<]+)</figcaption>", page)
    assert titles == [
        "Agrees with others, in %",
        "Ties, in % of all pairs",
        "Prefers the longer, in %",
    ]
    link = f'<a href="/projects/kitchen/people/{labeller.pk}/">labeller</a>'
    for key in ("plot-agreement", "plot-ties", "plot-longer"):
        dots = drawn.charts(page)[key]["series"]
        rows = drawn.table(page, key)
        assert [one["name"] for one in dots] == [name for name, *_ in rows]
        assert [one["name"] for one in dots].count("labeller") == 1
        assert rows[-1][0] == "All together"
        assert [f"{one['x'][0]:.1f}\u202f%" for one in dots] == [
            value.replace(" ", "\u202f") for _, _, value, _ in rows
        ]
    assert page.count(link) >= 3


def test_the_map_says_how_far_every_two_labellers_agree(
    three_rank: Project, bob: Member, labeller: Member, manager: Member
) -> None:
    found = {
        frozenset((one.first, one.second)): one
        for one in measure(rankings_by_prompt(three_rank)).pairs
    }
    assert len(found) == 3
    assert found[frozenset((labeller.pk, manager.pk))].share == 0
    pair = found[frozenset((bob.pk, labeller.pk))]
    assert (round(pair.share, 3), pair.comparisons) == (0.8, 30)
    assert pair.low is not None
    assert pair.low <= pair.share
    assert "Who agrees with whom" in shown(three_rank, manager)


def test_two_labellers_need_no_map_and_earlier_results_have_none(
    three_rank: Project, bob: Member, manager: Member
) -> None:
    result = measure(rankings_by_prompt(three_rank)).to_json()
    del result["pairs"]
    add_measured(three_rank, result)
    browser = sign_in(manager)
    assert "Who agrees with whom" not in browser.get(URL).content.decode()
    bob.rankings.all().delete()
    assert "Who agrees with whom" not in shown(three_rank, manager)


def test_alerts_lead_to_the_rankings_behind_them(
    ranked_twice: Project, labeller: Member, manager: Member
) -> None:
    found = measure(rankings_by_prompt(ranked_twice)).to_json()
    person = next(one for one in found["people"] if one["member"] == labeller.pk)
    person["alarms"] = [{"kind": "ties", "badge": "Ties a lot", "text": "Ties 99 of 100."}]
    add_measured(ranked_twice, found)
    page = sign_in(manager).get(URL).content.decode()
    assert f'href="/projects/kitchen/people/{labeller.pk}/?sort=ties#rankings"' in page


def test_the_page_says_that_it_is_older_than_a_labellers_leaving(
    ranked_twice: Project, labeller: Member, manager: Member
) -> None:
    assert "somebody was left out" not in shown(ranked_twice, manager)
    assert manager.user is not None
    exclude(member=labeller, by=manager.user, reason="?")
    assert "somebody was left out" in sign_in(manager).get(URL).content.decode()
    assert "somebody was left out" not in shown(ranked_twice, manager)
