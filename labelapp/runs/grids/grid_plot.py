"""Accuracy against time: a point for each finished run of a grid."""

from collections.abc import Sequence

from django.urls import reverse
from django.utils.translation import gettext as _

from labelapp.models import Project, TrainingRun
from labelapp.models.jobs import is_number
from labelapp.rendering.charts import Axis, Chart, Point, Series, axis_over, link
from labelapp.runs.interval_plots import Estimate, estimate, share_text
from labelapp.templatetags.figures import duration

Known = tuple[TrainingRun, str, Estimate, float]  # with its settings, accuracy and seconds


def accuracy_by_time(project: Project, runs: Sequence[tuple[TrainingRun, str]]) -> Chart | None:
    """Return the chart of runs with their settings in words, or None for fewer than two."""
    known: list[Known] = [
        (run, words, found, float(seconds))
        for run, words in runs
        if (found := estimate(run.title, "run", run.held_out, "accuracy")) is not None
        and is_number(seconds := run.metrics.get("seconds"))
    ]
    if len(known) < 2:
        return None
    known.sort(key=lambda one: one[3])
    points = [point(project, one) for one in known]
    ends = [end for one in points for end in (one.y, one.low, one.high) if end is not None]
    return Chart(
        key="plot-accuracy-by-time",
        kind="dots",
        title=_("Is more time worth it?"),
        sentence=_(
            "Held-out accuracy of each run, with its 95\u00a0% interval, by the time that its"
            " training took."
        ),
        x=axis_over(Axis(_("training time"), "s"), [0.0, *(one.x for one in points)]),
        y=axis_over(Axis(_("held-out accuracy"), "%", decimals=1), ends),
        series=[Series("", points)],
        columns=[_("Run"), _("Settings"), _("Time"), _("Accuracy")],
        rows=[
            [
                link(run.title, url_of(project, run)),
                words,
                duration(seconds),
                share_text(found.value, found.low, found.high),
            ]
            for run, words, found, seconds in known
        ],
    )


def point(project: Project, one: Known) -> Point:
    """Return the point of a run, which leads to its page."""
    run, words, found, seconds = one
    low, high = (None if end is None else 100 * end for end in (found.low, found.high))
    share = share_text(found.value, found.low, found.high)
    text = f"{share} · {run.title}, {words}" if words else f"{share} · {run.title}"
    return Point(seconds, 100 * found.value, low, high, text=text, url=url_of(project, run))


def url_of(project: Project, run: TrainingRun) -> str:
    return reverse("run", args=[project.slug, run.pk])
