"""Plots of compared runs: their accuracies, and the differences from the reference."""

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from labelapp.models.jobs import as_object
from labelapp.rendering.charts import Chart, Reference
from labelapp.runs.caveats import gain
from labelapp.runs.comparison.comparing import RunComparison
from labelapp.runs.interval_plots import (
    POINTS,
    SHORT_NAMES,
    Estimate,
    accuracy_title,
    estimate,
    intervals_plot,
    people_of,
)


def plots(comparison: RunComparison) -> list[Chart]:
    """Return the accuracies beside what they must beat, and the differences from the reference.

    Runs that were judged on other comparisons are left out, and so are plots of a single run.
    """
    reference, together = comparison.reference, comparison.together
    accuracies = [estimate(capfirst(one.name), "run", one.held_out, "accuracy") for one in together]
    baselines = as_object(reference.held_out.get("baselines"))
    for name, found in baselines.items():
        if name in SHORT_NAMES:
            accuracies.append(
                estimate(str(SHORT_NAMES[name]), "baseline", as_object(found), "accuracy")
            )
    accuracies.append(people_of(reference.run.metrics))
    found = [one for one in accuracies if one is not None]
    if len(together) < 2 or not found:
        return []
    drawn = [intervals_plot("accuracies", accuracy_title(reference.held_out), found)]
    differences = [
        Estimate(
            capfirst(one.name), "run", one.gain.value, one.gain.low, one.gain.high,
            gain(one.gain.value),
        )
        for one in together
        if one.gain is not None
    ]  # fmt: skip
    if any(one.value or one.low for one in differences):
        title = _("Difference from %(run)s, in points, with 95\u00a0%% intervals") % {
            "run": reference.name
        }
        no_difference = Reference(_("no difference"), 0.0)
        drawn.append(intervals_plot("differences", title, differences, POINTS, no_difference))
    return drawn
