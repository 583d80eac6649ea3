"""Accuracy against time: a point for each finished run of a grid."""

from collections.abc import Sequence

from django.utils.translation import gettext

from labelapp.models import TrainingRun
from labelapp.models.jobs import is_number
from labelapp.rendering.plots import Mark, Plot, axis_of
from labelapp.runs.interval_plots import estimate, share_text
from labelapp.templatetags.figures import duration


def accuracy_by_time(runs: Sequence[tuple[TrainingRun, str]]) -> Plot | None:
    """Return the plot of runs with their settings in words, or None for fewer than two."""
    known = [
        (run, words, found, float(seconds))
        for run, words in runs
        if (found := estimate(run.title, "run", run.held_out, "accuracy")) is not None
        and is_number(seconds := run.metrics.get("seconds"))
    ]
    if len(known) < 2:
        return None
    x = axis_of([0.0, *[seconds for *_others, seconds in known]])
    ends = [end for _, _, found, _ in known for end in (found.value, found.low, found.high)]
    y = axis_of([100 * end for end in ends if end is not None], decimals=0)

    def place(value: float | None) -> float | None:
        return None if value is None else 100 - y.percent(100 * value)

    return Plot(
        name="accuracy-by-time",
        title=gettext("Is more time worth it?"),
        sentence=gettext(
            "Held-out accuracy of each run, with its 95\u00a0% interval, by the time that its"
            " training took."
        ),
        x_label=gettext("training time, in seconds"),
        y_label=gettext("held-out accuracy, in %"),
        ticks_x=x.labels,
        ticks_y=y.labels,
        grid=y.grid,
        marks=[
            Mark(
                x.percent(seconds),
                100 - y.percent(100 * found.value),
                place(found.low),
                place(found.high),
            )
            for _, _, found, seconds in known
        ],
        columns=[gettext("Run"), gettext("Settings"), gettext("Time"), gettext("Accuracy")],
        rows=[
            [
                run.title,
                words,
                duration(seconds),
                share_text(found.value, found.low, found.high),
            ]
            for run, words, found, seconds in known
        ],
    )
