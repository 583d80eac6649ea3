"""What waits for a decision on a project's first page, with the page where it is made."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import (
    AgreementMeasurement,
    Alias,
    Disagreement,
    Member,
    Origin,
    Project,
    Prompt,
    Role,
    State,
    Upload,
)
from labelapp.overview import decisions as of_decisions
from labelapp.projects import invitations
from labelapp.quality.results import Alert, Figure
from tests.conftest import AddPrompt, AddRanking, join, sign_in
from tests.labelapp.labelling.acting import submit
from tests.labelapp.overview.boards import (
    BESIDE,
    HELD_OUT,
    RANDOM,
    URL,
    add_measurement,
    add_run,
    add_version,
    decisions,
    figures_of,
    links_of,
    live,
    text,
)


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
        "Nobody has joined yet. Send the invitation link to your labellers.": f"{URL}invitations/"
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
