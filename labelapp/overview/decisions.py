"""Decisions that wait for somebody: a sentence for each, and the page where it is made."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labelapp.labelling import controls
from labelapp.models import Assignment, Member, ModelVersion, Project, State, TrainingRun, Upload
from labelapp.models.jobs import is_number
from labelapp.overview.health import Health
from labelapp.projects.members import working_links
from labelapp.projects.progress import CampaignProgress
from labelapp.projects.prompt_filters import naming_themselves
from labelapp.quality.disagreement_list import Undecided
from labelapp.quality.measurement import LastMeasurement
from labelapp.quality.results import LabellerFigures
from labelapp.runs import leads
from labelapp.runs.comparison.comparing import compare_url
from labelapp.templatetags.figures import percent, thousands

MOST_UPLOADS = 3  # listed: the newest
# Rankings since agreement was measured, from which it is to be measured again: at least so many,
# and this share of those that it was measured on.
MANY_NEW, MUCH_NEW = 20, 0.2
HELD = (State.DRAFT, State.REFUSED, State.FAILED)


@dataclass(frozen=True)
class Decision:
    """Something that waits for a person, with the page on which to go on."""

    sentence: str
    action: str
    url: str
    subject: str = ""  # a name that the sentence begins with
    detail: str = ""
    quote: str = ""  # a reason, stored in English
    is_failure: bool = False


def to_decide(
    member: Member,
    *,
    newest_run: TrainingRun | None,
    last_run: TrainingRun | None,
    champion: ModelVersion | None,
    measurement: LastMeasurement,
    progress: CampaignProgress,
    alerts: Iterable[tuple[Member, LabellerFigures]],
    undecided: Undecided,
    health: Health,
) -> list[Decision]:
    """Return what waits for a manager or a reviewer, failures first."""
    project = member.project
    found = [*of_run(project, newest_run), *of_measurement(project, measurement)]
    found += of_agreement(project, measurement, progress)
    if member.manages:
        found += [*of_machine(project, health), *of_uploads(project)]
    found += [*of_alerts(project, alerts), *of_disagreements(project, undecided)]
    found += [*of_champion(member, champion, last_run), *of_texts(project)]
    if member.manages:
        found += of_settings(project)
    return sorted(found, key=lambda decision: not decision.is_failure)


def url(name: str, project: Project, *args: object) -> str:
    return reverse(name, args=[project.slug, *args])


def of_run(project: Project, run: TrainingRun | None) -> Iterator[Decision]:
    if run is not None and run.state == State.FAILED:
        yield Decision(
            _("failed."),
            _("See why"),
            url("run", project, run.pk),
            subject=run.title,
            quote=run.reason,
            is_failure=True,
        )


def of_measurement(project: Project, measurement: LastMeasurement) -> Iterator[Decision]:
    page = url("agreement", project)
    if measurement.failed:
        yield Decision(
            _("The last measurement of agreement failed."),
            _("See why"),
            page,
            quote=measurement.failed,
            is_failure=True,
        )


def of_agreement(
    project: Project, measurement: LastMeasurement, progress: CampaignProgress
) -> Iterator[Decision]:
    """Ask to measure agreement where nobody has, or where much was ranked since."""
    if measurement.is_active or measurement.failed:
        return
    if measurement.agreement and measurement.began:
        yield from of_new_rankings(project, measurement.agreement.rankings, measurement.began)
    elif not measurement.agreement:
        yield from of_first_measurement(project, progress)


def of_new_rankings(project: Project, measured: int, began: datetime) -> Iterator[Decision]:
    """Say how many rankings were made since the last measurement, if they are many.

    They are counted in an index of each labeller's work that begins with the newest.
    """
    new = Assignment.objects.ranked().filter(member__project=project, submitted_at__gt=began)
    number = new.count()
    if number < max(MANY_NEW, MUCH_NEW * measured):
        return
    sentence = ngettext(
        "%(rankings)s new ranking since agreement was last measured.",
        "%(rankings)s new rankings since agreement was last measured.",
        number,
    )
    shown = {"rankings": thousands(number)}
    yield Decision(sentence % shown, _("Measure again"), url("agreement", project))


def of_first_measurement(project: Project, progress: CampaignProgress) -> Iterator[Decision]:
    """Say that nobody knows yet who stands out, once two people have ranked the same prompts."""
    have_ranked = sum(bool(row.member.ranked) for row in progress.labellers)
    if have_ranked < 2 or not project.prompts.filter(rankings_wanted__gt=1).exists():
        return
    sentence = ngettext(
        "%(people)s person has ranked here. Measure how far they agree, and who stands out.",
        "%(people)s people have ranked here. Measure how far they agree, and who stands out.",
        have_ranked,
    )
    page = url("agreement", project)
    yield Decision(sentence % {"people": have_ranked}, _("Measure agreement"), page)


def of_machine(project: Project, health: Health) -> Iterator[Decision]:
    if "default" in health.stuck:
        yield Decision(
            _("Uploads, exports and measurements are waiting, and no task worker is running."),
            _("Uploads"),
            url("uploads", project),
            is_failure=True,
        )
    if "training" in health.stuck:
        yield Decision(
            _("A run is waiting, and no training worker is running."),
            _("Runs"),
            url("runs", project),
            is_failure=True,
        )
    if health.is_disk_full:
        yield Decision(
            _("The server’s disk is nearly full. Delete exports and runs that nobody needs."),
            _("Exports"),
            url("export", project),
            is_failure=True,
        )


def of_uploads(project: Project) -> Iterator[Decision]:
    held = Upload.objects.filter(project=project, state__in=HELD)
    words = {
        State.DRAFT: (_("has been uploaded, but not imported."), _("Preview")),
        State.REFUSED: (_("has lines with errors. Nothing was imported."), _("See the lines")),
        State.FAILED: (_("could not be imported."), _("See why")),
    }
    for upload in held.only("pk", "name", "state", "reason")[:MOST_UPLOADS]:
        sentence, action = words[State(upload.state)]
        yield Decision(
            sentence,
            action,
            url("upload", project, upload.pk),
            subject=upload.name,
            quote=upload.reason if upload.state == State.FAILED else "",
            is_failure=upload.state == State.FAILED,
        )


def of_alerts(
    project: Project, alerts: Iterable[tuple[Member, LabellerFigures]]
) -> Iterator[Decision]:
    """Lead to the rankings that raised the first alert of each labeller."""
    for labeller, figures in alerts:
        first = figures.alerts[0]
        number = figures.rankings_behind(first)
        look = ngettext("Look at %(number)s ranking", "Look at %(number)s rankings", number)
        yield Decision(
            _("stands out."),
            look % {"number": thousands(number)} if number else _("See the alerts"),
            url("person", project, labeller.pk) + first.evidence[0],
            subject=labeller.name,
            detail=" ".join(alert.sentence for alert in figures.alerts),
        )


def of_disagreements(project: Project, undecided: Undecided) -> Iterator[Decision]:
    number = undecided.number
    if not number:
        return
    sentence = ngettext(
        "%(undecided)s disagreement to decide.",
        "%(undecided)s disagreements to decide.",
        number,
    ) % {"undecided": thousands(number)}
    if undecided.since and timezone.now() - undecided.since >= timedelta(days=1):
        age = ngettext("It is %(age)s old.", "The oldest is %(age)s old.", number)
        sentence += " " + age % {"age": timesince(undecided.since, depth=1)}
    yield Decision(sentence, _("Decide"), url("disagreements", project))


def of_champion(
    member: Member, champion: ModelVersion | None, run: TrainingRun | None
) -> Iterator[Decision]:
    """Lead to the comparison of the champion with a later run that is more accurate.

    Each is judged on its own held-out prompts; the comparison is on those that both held out.
    """
    if champion is None or champion.run is None or run is None or run.pk <= champion.run.pk:
        return
    old, new = champion.run.held_out.get("accuracy"), run.held_out.get("accuracy")
    verdict = leads.verdict(run.held_out)
    if not is_number(old) or not is_number(new) or new <= old:
        return
    if verdict is None or verdict.tone != "better":
        return
    version = getattr(run, "version", None)
    if version is not None and member.manages:
        action = _("Compare and promote")
        page = url("model_promote", member.project, version.number)
    else:
        action = _("Compare")
        page = compare_url(champion.run, run)
    yield Decision(
        _("is ahead of the champion: %(new)s of its held-out comparisons to %(old)s.")
        % {"new": percent(new), "old": percent(old)},
        action,
        page,
        subject=run.title,
    )


def of_texts(project: Project) -> Iterator[Decision]:
    naming = naming_themselves(project).count()
    if naming:
        sentence = ngettext(
            "%(responses)s response reveals the model that wrote it, so labellers can tell.",
            "%(responses)s responses reveal the model that wrote them, so labellers can tell.",
            naming,
        )
        page = url("prompts", project) + "?show=names"
        yield Decision(sentence % {"responses": naming}, _("See the prompts"), page)


def of_settings(project: Project) -> Iterator[Decision]:
    if project.paused:
        yield Decision(
            _("This project is paused. Nobody gets a new prompt until you resume it."),
            _("Resume"),
            url("progress", project),
        )
    if controls.lacks_gold(project):
        page = url("prompts", project) + "?show=done"
        yield Decision(
            _("The settings ask for gold prompts, but no prompt has a gold ranking."),
            _("Choose some"),
            page,
        )
    if not project.guidelines:
        yield Decision(
            _("There are no guidelines yet. Labellers see them next to every prompt."),
            _("Write them"),
            url("project_settings", project),
        )
    people = project.members.filter(is_active=True, user__is_active=True)
    if people.count() < 2:
        page = url("invitations", project)
        if working_links(project).exists():
            sentence = _("Nobody has joined yet. Send the invitation link to your labellers.")
            yield Decision(sentence, _("Copy the link"), page)
        else:
            yield Decision(_("You are the only member so far."), _("Invite people"), page)
