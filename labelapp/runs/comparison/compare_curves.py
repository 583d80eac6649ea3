"""The curves of several runs over one another, and their values as a table."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labelapp.models import TrainingRun
from labelapp.rendering.charts import Axis, Reference, Series, line_chart
from labelapp.runs.caveats import CHANCE_LOSS
from labelapp.runs.curves import (
    Curves,
    LegendItem,
    Values,
    decimal,
    line,
    mean,
    step_axis,
    thinned,
    values,
)
from labelapp.runs.process import run_folder
from labelapp.templatetags.figures import percent, thousands
from training.runs.folder import RunFolder

TABLE_ROWS = 30  # of one run
COLUMNS = [
    gettext_lazy("Run"),
    gettext_lazy("Step"),
    gettext_lazy("Training loss"),
    gettext_lazy("Held-out log loss"),
    gettext_lazy("Training accuracy"),
    gettext_lazy("Held-out accuracy"),
]
HOW_TO_READ = gettext_lazy(
    "Held-out loss is the log loss, the same measure for all runs. Training loss is what each run "
    "minimises, and depends on its settings. The dashed line is chance level."
)


@dataclass(frozen=True)
class RunCurves:
    """The logged values of one run."""

    run: TrainingRun
    colour: str
    is_apart: bool  # judged on other held-out comparisons
    train_loss: Values
    train_accuracy: Values
    log_loss: Values  # on the held-out prompts
    accuracy: Values

    @property
    def took_steps(self) -> bool:
        return bool(self.train_loss)

    @property
    def rows(self) -> list[list[str]]:
        """Return the held-out values by step, each with the mean training values before it."""
        accuracies = dict(self.accuracy)
        rows, before = [], -1.0
        for step, loss in self.log_loss:
            losses, hits = (
                mean([value for at, value in values if before < at <= step])
                for values in (self.train_loss, self.train_accuracy)
            )
            row = [
                _("Run %(number)s") % {"number": self.run.pk},
                thousands(round(step)),
                decimal(losses),
                decimal(loss),
            ]
            rows.append([*row, percent(hits), percent(accuracies.get(step))])
            before = step
        stride = -(-len(rows) // TABLE_ROWS) or 1
        return rows[::-1][::stride][::-1]  # with the last one


def curves_of_runs(
    runs: Sequence[TrainingRun], apart: Collection[TrainingRun] = ()
) -> Curves | None:
    """Return the charts of loss and accuracy by step, or None where no run took steps.

    Those `apart` were judged on other comparisons, so that their held-out values are not drawn.
    """
    read = [read_run(run, str(n), is_apart=run in apart) for n, run in enumerate(runs, 1)]
    loss = line_chart(
        "plot-loss",
        _("Loss by step"),
        [training(one, one.train_loss) for one in read]
        + [held_out(one, one.log_loss) for one in read if not one.is_apart],
        x=step_axis(),
        y=Axis(_("loss"), decimals=3),
        reference=Reference(_("chance level"), CHANCE_LOSS),
    )
    accuracy = line_chart(
        "plot-accuracy",
        _("Accuracy by step"),
        [training(one, one.train_accuracy, 100) for one in read]
        + [held_out(one, one.accuracy, 100) for one in read if not one.is_apart],
        x=step_axis(),
        y=Axis(_("accuracy"), "%", decimals=1),
        reference=Reference(_("chance level"), 50),
    )
    charts = [chart for chart in (loss, accuracy) if chart is not None]
    if not charts:
        return None
    return Curves(
        key="curves",
        title=_("Curves"),
        charts=charts,
        legend=[
            LegendItem(
                _("Run %(number)s") % {"number": one.run.pk},
                one.colour,
                "thick",
                is_level=not one.took_steps,
            )
            for one in read
        ],
        columns=[str(column) for column in COLUMNS],
        rows=[row for one in read for row in one.rows],
        notes=[str(HOW_TO_READ), *notes(read)],
        remark=_("thick: held-out prompts, thin: training"),
    )


def training(one: RunCurves, points: Values, factor: float = 1) -> Series:
    name = _("Run %(number)s, training") % {"number": one.run.pk}
    return line(name, thinned(points), one.colour, "thin", factor)


def held_out(one: RunCurves, points: Values, factor: float = 1) -> Series:
    name = _("Run %(number)s, held-out") % {"number": one.run.pk}
    return line(name, points, one.colour, "thick", factor)


def read_run(run: TrainingRun, colour: str, *, is_apart: bool) -> RunCurves:
    """Return the values that a run logged."""
    folder: RunFolder = run_folder(run)
    steps, evaluations = folder.metric_lines(), folder.evaluations()
    return RunCurves(
        run=run,
        colour=colour,
        is_apart=is_apart,
        train_loss=values(steps, "loss"),
        train_accuracy=values(steps, "accuracy"),
        log_loss=values(evaluations, "log_loss"),
        accuracy=values(evaluations, "accuracy"),
    )


def notes(read: Sequence[RunCurves]) -> list[str]:
    """Return why lines are missing or level, as sentences."""
    linear = [one for one in read if not one.took_steps and one.log_loss and not one.is_apart]
    apart = [one for one in read if one.is_apart and one.log_loss]
    unknown = [one for one in read if not one.log_loss]
    found = []
    if linear:
        found.append(
            _("The dotted lines are linear models, which are fitted at once: %(runs)s.")
            % {"runs": names(linear)}
        )
    if apart:
        found.append(
            _("Held-out values on other comparisons are in the table only: %(runs)s.")
            % {"runs": names(apart)}
        )
    if unknown:
        found.append(
            _("No held-out values by step are known of %(runs)s.") % {"runs": names(unknown)}
        )
    return found


def names(runs: Sequence[RunCurves]) -> str:
    return get_text_list([_("run %(number)s") % {"number": one.run.pk} for one in runs], _("and"))
