"""Plots of one run's figures: beside what the model must beat, by group, and calibration."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labelapp.models import TrainingRun
from labelapp.models.jobs import as_object, is_number
from labelapp.rendering.charts import Axis, Chart, Point, Series
from labelapp.runs.caveats import few_prompts
from labelapp.runs.comparison.comparing import compare_url, why_not_comparable
from labelapp.runs.interval_plots import (
    SHORT_NAMES,
    Estimate,
    accuracy_title,
    estimate,
    intervals_plot,
    people_of,
)
from labelapp.runs.wilson import wilson
from labelapp.templatetags.figures import percent, points, thousands

OWN_NAMES = {
    "before_training": gettext_lazy("Before training"),
    "reward_model": gettext_lazy("Reward model alone"),
}
"""Baselines that a run has by its settings."""


def accuracy_beside(run: TrainingRun, champion: TrainingRun | None = None) -> Chart | None:
    """Return the accuracy beside those of the champion, the baselines and the people."""
    held_out = run.held_out
    if not held_out or few_prompts(held_out):
        return None
    baselines = as_object(held_out.get("baselines"))
    found = [
        estimate(_("This run"), "run", held_out, "accuracy"),
        of_champion(run, champion) if champion else None,
        *[
            estimate(str(title), "baseline", as_object(baselines.get(name)), "accuracy")
            for name, title in (SHORT_NAMES | OWN_NAMES).items()
        ],
        people_of(run.metrics),
    ]
    known = [one for one in found if one is not None]
    if len(known) < 2:
        return None
    return intervals_plot("plot-beside", accuracy_title(held_out), known)


def calibration_plots(run: TrainingRun) -> list[Chart]:
    """Return how often the model is right, by how confident it is, as its run measured it.

    The second plot is what the run's temperature makes of the rewards, if it has one.
    """
    found = [calibration_plot(run)]
    scaling = as_object(run.held_out.get("temperature"))
    value = scaling.get("value")
    if is_number(value) and value != 1:
        found.append(calibrated_plot(as_object(scaling.get("calibration")), value))
    return [plot for plot in found if plot is not None]


def of_champion(run: TrainingRun, champion: TrainingRun) -> Estimate | None:
    """Return the champion's accuracy if it was judged on the same comparisons, else None.

    Its dot opens the two runs side by side, with the interval of their difference.
    """
    if champion == run or why_not_comparable(run, champion):
        return None
    name = _("Champion, run %(number)s") % {"number": champion.pk}
    found = estimate(name, "baseline", champion.held_out, "accuracy")
    return replace(found, url=compare_url(champion, run)) if found else None


def calibration_plot(run: TrainingRun) -> Chart | None:
    """Return the calibration of the rewards as they are."""
    calibration = as_object(run.held_out.get("calibration"))
    sentence = _(
        "Expected calibration error %(error)s on %(comparisons)s held-out comparisons; on the"
        " dashed line, confidence equals accuracy."
    )
    return reliability(
        "plot-calibration",
        _("Is it as sure as it should be?"),
        calibration,
        sentence % error_of(calibration),
        [
            _("The intervals treat comparisons as independent, and are a little too narrow."),
            *(
                [_("A temperature would not make its confidence more accurate.")]
                if as_object(run.held_out.get("temperature")).get("value") == 1
                else []
            ),
            *reward_intervals(run),
        ],
    )


def calibrated_plot(calibration: dict[str, Any], temperature: float) -> Chart | None:
    """Return the calibration with a temperature, on prompts that it was not learned from."""
    sentence = _(
        "Expected calibration error %(error)s once differences of rewards are divided by the"
        " temperature, as the reward service and the review do. It is measured on %(comparisons)s"
        " comparisons of held-out prompts that the temperature was not learned from."
    )
    return reliability(
        "plot-calibrated",
        _("With its temperature of %(temperature)s") % {"temperature": f"{temperature:.2f}"},
        calibration,
        sentence % error_of(calibration),
    )


def error_of(calibration: dict[str, Any]) -> dict[str, str]:
    """Return the calibration error, and the number of comparisons that it is of, in words."""
    comparisons = sum(one["comparisons"] for one in filled_bins(calibration))
    return {"error": percent(calibration.get("ece")), "comparisons": thousands(comparisons)}


def reliability(
    key: str, title: str, calibration: dict[str, Any], sentence: str, notes: Sequence[str] = ()
) -> Chart | None:
    """Return the plot of a calibration, or None where it has no comparisons."""
    known = filled_bins(calibration)
    if not known:
        return None
    return Chart(
        key=key,
        kind="dots",
        title=title,
        sentence=sentence,
        notes=notes,
        x=Axis(_("confidence"), "%", decimals=1, low=50, high=100, step=10),
        y=Axis(_("right"), "%", decimals=1, low=0, high=100, step=25),
        series=[Series(_("right"), [calibration_point(one) for one in known])],
        columns=[_("Confidence"), _("Right"), _("Comparisons")],
        rows=[calibration_row(one) for one in known],
        has_diagonal=True,
    )


def filled_bins(calibration: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the bins of a calibration that have comparisons."""
    stored = calibration.get("bins")
    bins = [as_object(one) for one in stored] if isinstance(stored, list) else []
    return [one for one in bins if is_filled(one)]


def reward_intervals(run: TrainingRun) -> list[str]:
    """Return in a sentence how well differences of rewards are known, if the run learned that."""
    found = as_object(run.held_out.get("intervals"))
    half_width, lead = found.get("half_width"), found.get("lead")
    if not is_number(half_width) or not is_number(lead):
        return []
    said = _(
        "Half of the differences between rewards are known to within ±%(half_width)s (95 %%);"
        " half of them are larger than %(lead)s."
    )
    return [said % {"half_width": f"{half_width:.2f}", "lead": f"{lead:.2f}"}]


def is_filled(one: dict[str, Any]) -> bool:
    """Return True for a bin of the calibration that has comparisons."""
    figures = (one.get("confidence"), one.get("accuracy"))
    has_figures = all(is_number(value) for value in figures)
    return has_figures and isinstance(one.get("comparisons"), int) and one["comparisons"] > 0


def calibration_point(one: dict[str, Any]) -> Point:
    low, high = wilson(one["accuracy"], one["comparisons"])
    return Point(
        100 * one["confidence"], 100 * one["accuracy"], 100 * low, 100 * high,
        text=calibration_row(one)[1],
    )  # fmt: skip


def calibration_row(one: dict[str, Any]) -> list[str]:
    low, high = wilson(one["accuracy"], one["comparisons"])
    right = f"{percent(one['accuracy'])} ({points(low)}–{points(high)})"
    return [percent(one["confidence"]), right, thousands(one["comparisons"])]
