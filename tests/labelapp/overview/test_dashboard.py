"""A project's first page: the figures with what is behind them."""

import re
from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import (
    Assignment,
    Member,
    Project,
    Role,
    State,
    Upload,
    User,
)
from labelapp.overview.health import health
from labelapp.people import exclusions
from tests.conftest import AddPrompt, AddRanking, join, sign_in
from tests.labelapp.labelling.acting import submit
from tests.labelapp.overview.boards import (
    HELD_OUT,
    LIVE,
    RANDOM,
    URL,
    add_measurement,
    add_run,
    decisions,
    figures_of,
    links_of,
    text,
)


def test_progress_is_shown_with_the_range_of_its_end(campaign: Project, manager: Member) -> None:
    page = text(manager)
    assert "6 of 16" in page
    today = timezone.localdate()
    # Ten are left, at exactly one a day.
    assert f"done around {today + timedelta(days=10):%-d %b %Y} at this pace" in page
    Assignment.objects.filter(submitted_at__lt=timezone.now() - timedelta(days=3, hours=12)).update(
        submitted_at=timezone.now() - timedelta(days=3)
    )
    Assignment.objects.filter(submitted_at__date=today - timedelta(days=1)).update(
        submitted_at=timezone.now() - timedelta(days=4)
    )
    assert re.search(r"done \d+ \w+ – \d+ \w+ \d{4} at this pace|at the earliest", text(manager))


def test_the_rankings_of_today_and_this_week_are_shown_by_labeller(
    campaign: Project, labeller: Member, manager: Member
) -> None:
    second = join(campaign, "bob", Role.LABELLER)
    assignment = assignments.current_assignment(second)
    assert assignment is not None
    submit(assignment=assignment, entered=RankingInput(dict.fromkeys("ABCD", 1)))
    page = text(manager)
    assert "Today 3 labeller 2 · bob 1 · 7 in seven days" in page
    assert "labeller 2 6 6 bob 1 1 1" in page  # today, in seven days, all


def test_agreement_is_shown_with_its_interval_and_those_who_stand_out(
    campaign: Project, labeller: Member, manager: Member
) -> None:
    assert "not measured yet" in text(manager)
    add_measurement(campaign, figures_of(labeller, RANDOM))
    page = text(manager)
    assert "Agreement 81.0 % 79.0 to 83.0 · chance 50" in page
    assert "labeller stands out 2 6 6 54 % 41.0–66.0" in page


def test_a_labeller_who_is_left_out_is_marked_and_waits_for_no_decision(
    campaign: Project, labeller: Member, manager: Member
) -> None:
    add_measurement(campaign, figures_of(labeller, RANDOM))
    assert manager.user is not None
    exclusions.exclude(member=labeller, by=manager.user, reason="Clicks through.")
    page = text(manager)
    assert "labeller left out 2 6 6" in page
    assert "stands out" not in page


def test_the_last_run_is_shown_with_its_verdict(
    campaign: Project, manager: Member, reviewer: Member
) -> None:
    assert "no run has finished yet" in text(manager)
    run = add_run(campaign, metrics={"held_out": HELD_OUT})
    page = text(manager)
    assert "68.3 % 60.1 to 75.2" in page
    assert f"Run {run.pk} : Worth using: better than every baseline" in page
    assert page.index("Needs a decision") < page.index("Worth using")
    page = text(reviewer)  # opens on it
    assert page.index("Worth using") < page.index("Needs a decision")


def test_a_run_under_way_is_shown(campaign: Project, manager: Member) -> None:
    add_run(campaign, State.QUEUED, name="Tonight’s")
    assert "Tonight’s is waiting for the training worker." in text(manager)


def test_the_queues_and_the_disk_are_shown_to_managers(
    campaign: Project, manager: Member, reviewer: Member
) -> None:
    page = text(manager)
    assert "No job is waiting" in page
    assert "no worker for: default , training" in page
    assert "of disk free" in page
    assert "of disk free" not in text(reviewer)
    add_task("training")
    assert "1 job waiting, 0 running" in text(manager)
    assert "A run is waiting, and no training worker is running." in decisions(manager)


def add_task(queue: str) -> None:
    DBTaskResult.objects.create(
        args_kwargs={}, task_path="x", queue_name=queue, backend_name="default", run_after=NOW
    )


NOW = timezone.now()


def test_finished_tasks_are_not_waiting(db: None) -> None:
    add_task("default")
    add_task("default")
    task = DBTaskResult.objects.all()[0]
    task.status = "SUCCESSFUL"
    task.save()
    assert (health().jobs_waiting, health().running) == (1, 0)


def test_every_figure_leads_to_what_is_behind_it(
    campaign: Project, labeller: Member, manager: Member, reviewer: Member
) -> None:
    add_measurement(campaign, figures_of(labeller, RANDOM))
    add_run(campaign, metrics={"held_out": HELD_OUT})
    add_task("training")
    page = f"{URL}people/{labeller.pk}/"
    led = {
        "2": f"{page}?sort=newest#rankings",  # today
        "6": f"{page}?sort=newest#rankings",  # in seven days, and in all
        "54 % 41.0–66.0": f"{page}#rankings",
        "8 prompts": f"{URL}prompts/",
        "32 responses": f"{URL}prompts/",
        "6 rankings": f"{URL}prompts/?sort=-rankings",
    }
    machine = {"1 job waiting, 0 running": f"{URL}runs/", "default": f"{URL}uploads/"}
    people = "3 people who can sign in"
    for person in (manager, reviewer):
        client = sign_in(person)
        html = client.get(LIVE).content.decode()
        linked = links_of(html)
        assert led.items() <= linked.items()
        assert (machine.items() <= linked.items()) == person.manages
        assert (linked.get(people) == f"{URL}people/") == person.manages
        disk = [to for words, to in linked.items() if words.endswith("of disk free")]
        assert disk == ([f"{URL}export/"] if person.manages else [])
        links = set(re.findall(r'href="([^"#]+)', html))
        assert {f"{URL}progress/", f"{URL}agreement/", f"{URL}prompts/"} <= links
        for link in links:
            assert client.get(link).status_code == 200, link


def test_labellers_get_their_next_task_and_no_dashboard(
    campaign: Project, labeller: Member
) -> None:
    page = text(labeller)
    assert "2 prompts to rank" in page
    assert "Needs a decision" not in page
    assert sign_in(labeller).get(LIVE).status_code == 403


def test_a_project_without_prompts_leads_to_the_upload(project: Project, manager: Member) -> None:
    page = text(manager)
    assert "Upload a file" in page
    assert "Rankings left" not in page
    assert f"{URL}invitations/" in decisions(manager).values()


def test_an_administrator_outside_the_project_sees_the_dashboard(
    campaign: Project, root: User
) -> None:
    assert "6 of 16" in text(root)


def test_the_dashboard_makes_the_same_queries_for_more(
    campaign: Project,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    manager: Member,
    labeller: Member,
) -> None:
    client = sign_in(manager)

    def queries() -> int:
        with CaptureQueriesContext(connection) as made:
            client.get(LIVE)
        return len(made)

    add_measurement(campaign, figures_of(labeller, RANDOM))
    add_run(campaign, metrics={"held_out": HELD_OUT})
    few = queries()
    people = [join(campaign, f"labeller {number}", Role.LABELLER) for number in range(12)]
    for number, person in enumerate(people):
        add_ranking(add_prompt(f"more {number}?"), person, [1, 2, 3, 4])
        Upload.objects.create(project=campaign, name="x", format="rankings", state=State.DRAFT)
        add_run(campaign, metrics={"held_out": HELD_OUT})
    add_measurement(campaign, *(figures_of(person, RANDOM) for person in people))
    assert queries() == few
    assert few < 36
