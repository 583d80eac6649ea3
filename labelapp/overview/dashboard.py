"""The figures of a project's first page, for its managers and reviewers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from labelapp.jobs import jobs
from labelapp.models import ALTOGETHER, Alias, Member, ModelVersion, Project, State, TrainingRun
from labelapp.overview.decisions import Decision, to_decide
from labelapp.overview.health import Health, health
from labelapp.projects.burndown import burndown
from labelapp.projects.progress import (
    CampaignProgress,
    Forecast,
    LabellerProgress,
    cached_progress,
    forecast,
)
from labelapp.quality.disagreement_list import undecided
from labelapp.quality.measurement import LastMeasurement, last_measurement
from labelapp.quality.results import Figure, LabellerFigures
from labelapp.registry.versions import holder
from labelapp.rendering.charts import Chart
from labelapp.runs.interval_plots import Axis, Dot, Estimate, dot
from labelapp.runs.run_verdict import Verdict, verdict_on

MOST_LABELLERS = 8  # in the table: those who ranked most this week
LOWEST = 0.4  # left end of the axis of agreement, or lower where somebody agrees less


@dataclass(frozen=True)
class LastRun:
    """The newest evaluated run with its verdict, and the run that is in progress."""

    run: TrainingRun | None  # finished
    verdict: Verdict | None
    newest: TrainingRun | None  # in whatever state


@dataclass(frozen=True)
class LabellerRow:
    """A labeller's work of the last days, and their agreement with the others."""

    progress: LabellerProgress
    agreement: Figure | None
    dot: Dot | None
    has_alerts: bool


@dataclass(frozen=True)
class Labellers:
    """The labellers of these days on one axis."""

    rows: list[LabellerRow]
    left_out: int
    chance: float | None  # position of the chance level, if an agreement is shown
    everybody: Dot | None  # the agreement of any two labellers


@dataclass(frozen=True)
class Dashboard:
    """The contents of a project's first page."""

    decisions: list[Decision]
    progress: CampaignProgress
    counted_at: datetime | None
    forecast: Forecast
    burndown: Chart | None
    labellers: Labellers
    today: int
    this_week: int
    agreement: Figure | None
    measurement: LastMeasurement
    last_run: LastRun
    champion: ModelVersion | None
    health: Health

    @property
    def busiest(self) -> list[LabellerProgress]:
        """Return those who have ranked most today."""
        found = [row.progress for row in self.labellers.rows if row.progress.today]
        return sorted(found, key=lambda each: -each.today)[:3]


def dashboard(member: Member) -> Dashboard:
    """Return the figures, as they are stored or can be counted now; it measures nothing."""
    project = member.project
    cached = cached_progress(project)
    progress, machine = cached.value, health()
    measurement = last_measurement(project)
    last_run = last_run_of(project)
    champion = holder(project, Alias.CHAMPION)
    figures = figures_by_member(measurement)
    standing_out = [pk for pk, one in figures.items() if one.alerts]
    members = project.members.exclude(excluded_from=ALTOGETHER).in_bulk(standing_out)
    coming = forecast(totals=progress.totals, days=progress.days, paused=project.paused)
    agreement = measurement.agreement.named().get("agreement") if measurement.agreement else None
    return Dashboard(
        decisions=to_decide(
            member,
            newest_run=last_run.newest,
            last_run=last_run.run,
            champion=champion,
            measurement=measurement,
            progress=progress,
            alerts=[(members[pk], figures[pk]) for pk in figures if pk in members],
            undecided=undecided(project),
            health=machine,
        ),
        progress=progress,
        counted_at=cached.counted_at,
        forecast=coming,
        burndown=burndown(progress.days, progress.totals.rankings_left, coming),
        labellers=labellers(progress, figures, agreement),
        today=sum(each.today for each in progress.labellers),
        this_week=sum(each.this_week for each in progress.labellers),
        agreement=agreement,
        measurement=measurement,
        last_run=last_run,
        champion=champion,
        health=machine,
    )


def last_run_of(project: Project) -> LastRun:
    """Return the newest run, and the newest that is finished with its verdict."""
    jobs.mark_lost(project.runs.all())
    newest = project.runs.defer("metrics", "manifest").order_by("-pk").first()
    finished = project.runs.defer("manifest").filter(state=State.DONE)
    done = finished.select_related("version").order_by("-pk").first()
    return LastRun(done, verdict_on(done) if done else None, newest)


def figures_by_member(measurement: LastMeasurement) -> dict[int, LabellerFigures]:
    """Return the measured figures of each labeller."""
    people = measurement.agreement.people if measurement.agreement else []
    return {one.member: one for one in people if one.member is not None}


def labellers(
    progress: CampaignProgress, figures: Mapping[int, LabellerFigures], everybody: Figure | None
) -> Labellers:
    """Return the table of the labellers who ranked most this week."""
    ranked = sorted(progress.labellers, key=lambda each: (-each.this_week, -each.member.ranked))
    shown = ranked[:MOST_LABELLERS]
    measured = {each.member.pk: figures.get(each.member.pk) for each in shown}
    ends = [one.agreement.low for one in measured.values() if one and one.agreement.low is not None]
    axis = Axis(min([LOWEST, *ends]), 1.0, 0.1)
    rows = []
    for each in shown:
        own = measured[each.member.pk]
        agreement = own.agreement if own else None
        rows.append(LabellerRow(each, agreement, dot_of(agreement, axis), bool(own and own.alerts)))
    some = any(row.dot for row in rows)
    return Labellers(
        rows=rows,
        left_out=len(ranked) - len(shown),
        chance=axis.place(0.5) if some else None,
        everybody=dot_of(everybody, axis) if some else None,
    )


def dot_of(figure: Figure | None, axis: Axis) -> Dot | None:
    """Return a figure on the axis, or None where it has no interval."""
    if figure is None or figure.value is None or figure.low is None or figure.high is None:
        return None
    return dot(axis, Estimate("", "people", figure.value, figure.low, figure.high, ""))
