"""A project's first page: what needs a decision, and the figures with what is behind them."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import (
    AgreementMeasurement,
    Alias,
    AliasMove,
    Assignment,
    Disagreement,
    Member,
    ModelVersion,
    Origin,
    Project,
    Prompt,
    Role,
    State,
    TrainingRun,
    Upload,
    User,
)
from labelapp.overview import decisions as of_decisions
from labelapp.overview.health import health
from labelapp.people import exclusions
from labelapp.projects import invitations
from labelapp.quality.results import Alert, Figure, LabellerAgreement, LabellerFigures
from tests.conftest import AddPrompt, AddRanking, join, sign_in
from tests.labelapp.labelling.acting import submit

URL = "/projects/kitchen/"
LIVE = f"{URL}live/"
BESIDE = {"accuracy": 0.6, "gain": 0.1, "gain_low": 0.05, "gain_high": 0.2}
HELD_OUT = {
    "prompts": 40, "rankings": 40, "comparisons": 268, "accuracy": 0.683, "accuracy_low": 0.601,
    "accuracy_high": 0.752, "baselines": {"longer_wins": BESIDE, "word_counts": BESIDE},
}  # fmt: skip


def text(person: Member | User, url: str = URL) -> str:
    """Return the words of a page."""
    html = sign_in(person).get(url).content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", html[html.index("<main") :]).split())


def live(person: Member | User) -> str:
    return sign_in(person).get(LIVE).content.decode()


def decisions(person: Member | User) -> dict[str, str]:
    """Return the sentences that ask for a decision, with the pages they link to."""
    html = live(person)
    part = html[html.index('class="card padded decisions') :].split("</section>")[0]
    found = {}
    for item in re.findall(r"<li.*?</li>", part, re.S):
        sentence, rest = item.split("<a href=")
        words = " ".join(re.sub(r"<[^>]+>", " ", sentence).split())
        found[words] = rest.split('"')[1]
    return found


def links_of(html: str) -> dict[str, str]:
    """Return where the links of a page lead, by their words."""
    return {
        " ".join(re.sub(r"<[^>]+>", "", words).split()): to
        for to, words in re.findall(r'<a [^>]*?href="([^"]+)"[^>]*>(.*?)</a>', html, re.S)
    }


def add_run(project: Project, state: State = State.DONE, **fields: Any) -> TrainingRun:
    over = {"finished_at": timezone.now()} if state not in (State.QUEUED, State.RUNNING) else {}
    return TrainingRun.objects.create(project=project, state=state, **over, **fields)


def figure(value: float | None, **fields: Any) -> Figure:
    return Figure("agreement", "comparisons", 80, 20, value, **fields)


def add_measurement(project: Project, *people: LabellerFigures, **fields: Any) -> None:
    agreement = LabellerAgreement(
        rankings=40,
        labellers=2,
        prompts=20,
        shared_prompts=20,
        figures=[figure(0.81, low=0.79, high=0.83, chance=0.5)],
        people=people,
    )
    values = {"state": State.DONE, "result": agreement.to_json(), "finished_at": timezone.now()}
    AgreementMeasurement.objects.create(project=project, **values | fields)


def figures_of(member: Member, *alerts: Alert) -> LabellerFigures:
    nothing = figure(None)
    own = figure(0.54, low=0.41, high=0.66)
    return LabellerFigures(member.pk, 20, 9.0, own, nothing, nothing, nothing, alerts=alerts)


RANDOM = Alert("chance", "near chance", "Agrees with the others in 54 % of 80 comparisons.")


@pytest.fixture
def campaign(project: Project, add_prompt: AddPrompt, labeller: Member) -> Project:
    """Eight prompts: the labeller ranked one on each of the last four days, and two today."""
    for number in range(8):
        add_prompt(f"{number}?", wanted=2)
    for days_ago in (4, 3, 2, 1, 0, 0):
        assignment = assignments.current_assignment(labeller)
        assert assignment is not None
        submit(assignment=assignment, entered=RankingInput(dict.fromkeys("ABCD", 1)))
        at = timezone.now() - timedelta(days=days_ago)
        Assignment.objects.filter(pk=assignment.pk).update(submitted_at=at)
    return project


# What needs a decision


def test_what_needs_a_decision_comes_first_with_its_page(
    campaign: Project, labeller: Member, manager: Member
) -> None:
    run = add_run(campaign, State.FAILED, reason="The disk was full.", name="The long one")
    upload = Upload.objects.create(
        project=campaign, name="more.jsonl", format="rankings", state=State.DRAFT
    )
    prompt = Prompt.objects.all()[0]
    prompt.responses.filter(text="Paint.").update(names_itself=True)
    Disagreement.objects.create(
        project=campaign, prompt=prompt, labellers=2, comparisons=6, against=3, share=0.5
    )
    add_measurement(campaign, figures_of(labeller, RANDOM), figures_of(manager))
    Project.objects.update(paused=True, gold_share=10)
    assert decisions(manager) == {
        "The long one failed. The disk was full.": f"{URL}runs/{run.pk}/",
        "more.jsonl has been uploaded, but not imported.": f"{URL}uploads/{upload.pk}/",
        f"labeller stands out. {RANDOM.text}": (f"{URL}people/{labeller.pk}/#rankings"),
        "1 disagreement to decide.": f"{URL}disagreements/",
        "1 response reveals the model that wrote it, so labellers can tell.": (
            f"{URL}prompts/?show=names"
        ),
        "This project is paused. Nobody gets a new prompt until you resume it.": f"{URL}progress/",
        "The settings ask for gold prompts, but no prompt has a gold ranking.": (
            f"{URL}prompts/?show=done"
        ),
    }
    page = text(manager)
    assert page.index("Needs a decision") < page.index("6 of 16") < page.rindex("Nobody gets")


def test_nothing_needs_a_decision(campaign: Project, manager: Member) -> None:
    assert "Nothing waits for you." in text(manager)


def test_agreement_that_nobody_has_measured_is_asked_for(
    campaign: Project, manager: Member, labeller: Member
) -> None:
    assert decisions(manager) == {}  # one labeller agrees with nobody
    second = join(campaign, "second", Role.LABELLER)
    assignment = assignments.current_assignment(second)
    assert assignment is not None
    submit(assignment=assignment, entered=RankingInput(dict.fromkeys("ABCD", 1)))
    cache.clear()
    assert decisions(manager) == {
        "2 people have ranked here. Measure how far they agree, and who stands out.": (
            f"{URL}agreement/"
        )
    }
    Prompt.objects.update(rankings_wanted=1, rankings_needed=0)
    assert decisions(manager) == {}  # no prompt has two rankings
    Prompt.objects.update(rankings_wanted=2)
    add_measurement(campaign)
    assert decisions(manager) == {}


def test_a_project_without_people_leads_to_its_invitation_link(
    project: Project, manager: Member, add_prompt: AddPrompt
) -> None:
    add_prompt()
    assert decisions(manager) == {"You are the only member so far.": f"{URL}invitations/"}
    assert f'class="button" href="{URL}runs/new/"' in sign_in(manager).get(URL).content.decode()
    assert manager.user
    invitations.create(
        project=project,
        role=Role.LABELLER,
        lasts=timedelta(days=7),
        single=False,
        user=manager.user,
    )
    assert decisions(manager) == {
        "Nobody has joined yet. Send them the invitation link.": f"{URL}invitations/"
    }


def test_what_is_decided_is_not_listed(campaign: Project, manager: Member) -> None:
    add_run(campaign, State.FAILED, reason="The disk was full.")
    add_run(campaign)
    prompt = Prompt.objects.all()[0]
    Disagreement.objects.create(
        project=campaign, prompt=prompt, labellers=2, comparisons=6, against=3, share=0.5
    )
    prompt.rankings.create(member=manager, origin=Origin.ADJUDICATED, responses_hash="x")
    for state in (State.DONE, State.STOPPED):
        Upload.objects.create(
            project=campaign, name="x", format="rankings", state=state, finished_at=timezone.now()
        )
    assert decisions(manager) == {}


def test_an_upload_with_errors_and_a_failed_measurement_are_listed(
    campaign: Project, manager: Member
) -> None:
    over = {"finished_at": timezone.now(), "format": "rankings", "project": campaign}
    Upload.objects.create(name="bad.csv", state=State.REFUSED, **over)
    Upload.objects.create(name="odd.csv", state=State.FAILED, reason="It is empty.", **over)
    add_measurement(campaign, state=State.FAILED, reason="It was killed.", result={})
    assert list(decisions(manager)) == [
        "The last measurement of agreement failed. It was killed.",
        "odd.csv could not be imported. It is empty.",
        "bad.csv has lines with errors. Nothing was imported.",
    ]


def test_agreement_is_measured_again_once_much_was_ranked_since(
    campaign: Project, labeller: Member, manager: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three rankings are from the last two days, and the measurement saw forty."""
    began = timezone.now() - timedelta(days=1, hours=12)
    add_measurement(campaign, figures_of(labeller), started_at=began)
    assert decisions(manager) == {}  # three are not many
    monkeypatch.setattr(of_decisions, "MANY_NEW", 3)
    assert decisions(manager) == {}  # nor a fifth
    monkeypatch.setattr(of_decisions, "MUCH_NEW", 0.07)
    asked = {"3 new rankings since agreement was last measured.": f"{URL}agreement/"}
    assert decisions(manager) == asked
    add_measurement(campaign, state=State.RUNNING, result={}, finished_at=None)
    assert decisions(manager) == {}


def test_the_age_of_the_oldest_disagreement_is_told(
    project: Project, add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member,
    manager: Member,
) -> None:  # fmt: skip
    """It begins with the second ranking of a prompt, not with the first."""
    join(project, "bob", Role.LABELLER)
    for ages in ((20, 6), (9, 3), (30, 12)):
        prompt = add_prompt(f"{ages}?")
        for person, days in zip((labeller, manager), ages, strict=True):
            ranking = add_ranking(prompt, person, (1, 2, 3, 4))
            ranking.created_at = timezone.now() - timedelta(days=days)
            ranking.save()
        Disagreement.objects.create(
            project=project, prompt=prompt, labellers=2, comparisons=6, against=3, share=0.5
        )
    prompt.rankings.create(member=manager, origin=Origin.ADJUDICATED, responses_hash="x")
    told = "2 disagreements to decide. The oldest is 6 days old."
    assert decisions(manager)[told] == f"{URL}disagreements/"
    Disagreement.objects.earliest("pk").delete()
    assert "1 disagreement to decide. It is 3 days old." in decisions(manager)


def test_an_alert_leads_to_as_many_rankings_as_raised_it(
    campaign: Project, labeller: Member, manager: Member
) -> None:
    page = f"{URL}people/{labeller.pk}/"
    gold = Alert("gold", "misses gold", "Agrees with gold in 54 %.")
    for alert, words, end in (
        (RANDOM, "Look at 20 rankings: labeller", "#rankings"),
        (
            Alert("speed", "fast", "Takes 2 s."),
            "Look at 20 rankings: labeller",
            "?sort=fastest#rankings",
        ),
        (gold, "Look at 7 rankings: labeller", "#gold"),
    ):
        AgreementMeasurement.objects.all().delete()
        measured = replace(figures_of(labeller, alert), gold=Figure("gold", "comparisons", 40, 7))
        add_measurement(campaign, measured)
        assert links_of(live(manager))[words] == page + end


def test_a_later_run_that_is_ahead_of_the_champion_leads_to_its_promotion(
    campaign: Project, manager: Member, reviewer: Member
) -> None:
    champion = add_run(campaign, metrics={"held_out": HELD_OUT})
    add_version(champion, 1, Alias.CHAMPION)
    assert decisions(manager) == {}  # the champion is the last run
    assert links_of(live(manager))[f"Champion 68.3 % v1 · {champion.title}"] == f"{URL}models/1/"
    ahead = add_run(campaign, metrics={"held_out": HELD_OUT | {"accuracy": 0.7}})
    told = f"{ahead.title} is ahead of the champion: 70.0 % of its held-out comparisons to 68.3 %."
    both = f"{URL}runs/compare/?run={champion.pk}&amp;run={ahead.pk}&amp;reference={champion.pk}"
    assert decisions(manager) == {told: both}  # it is not registered
    add_version(ahead, 2)
    assert decisions(manager) == {told: f"{URL}models/2/promote/"}
    assert decisions(reviewer) == {told: both}
    for page in (both.replace("&amp;", "&"), f"{URL}models/2/promote/"):
        assert sign_in(manager).get(page).status_code == 200
    unproven = {"word_counts": BESIDE | {"gain_low": -0.1}, "longer_wins": BESIDE}
    better = HELD_OUT | {"accuracy": 0.8, "baselines": unproven}
    add_run(campaign, metrics={"held_out": better})
    assert decisions(manager) == {}  # not measurably better than a baseline


def add_version(run: TrainingRun, number: int, alias: str = "") -> None:
    version = ModelVersion.objects.create(project=run.project, number=number, run=run)
    if alias:
        AliasMove.objects.create(project=run.project, alias=alias, version=version, reason="Best.")


def test_a_reviewer_decides_nothing_that_managers_do(
    campaign: Project, manager: Member, reviewer: Member
) -> None:
    add_run(campaign, State.FAILED, reason="The disk was full.")
    Upload.objects.create(project=campaign, name="x", format="rankings", state=State.DRAFT)
    Project.objects.update(paused=True, guidelines="")
    assert len(decisions(manager)) == 4
    assert [each.split()[0] for each in decisions(reviewer)] == ["Run"]
    html = live(reviewer)
    for path in ("uploads", "export", "people", "settings", "runs/new"):
        assert f'"{URL}{path}/"' not in html


# The figures


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
