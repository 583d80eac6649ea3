"""The curves of one run: loss and accuracy, and how the optimiser worked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from labelapp.models import TrainingRun
from labelapp.rendering.charts import Axis, Chart, Reference, Series, line_chart
from labelapp.runs.caveats import chance_of_training
from labelapp.runs.curves import (
    MAX_POINTS,
    SMOOTHING,
    Curves,
    LegendItem,
    Values,
    decimal,
    line,
    mean,
    smoothed,
    step_axis,
    thinned,
    values,
)
from labelapp.runs.process import run_folder
from labelapp.templatetags.figures import percent, thousands

TABLE_ROWS = 30  # beside those of the evaluations
HELD_OUT, TRAINING = "1", "2"  # colours
DEFAULT_SMOOTHING = "light"

Label = Callable[[float | None], str]


@dataclass(frozen=True)
class Column:
    """A column of the table: logged values, and how to write them."""

    title: str
    points: Values
    label: Label


@dataclass(frozen=True)
class Logged:
    """The values that a run logged."""

    loss: Values
    accuracy: Values
    held_out_loss: Values
    held_out_accuracy: Values
    learning_rate: Values
    gradient_norm: Values
    tokens_per_second: Values


def read_log(run: TrainingRun) -> Logged:
    """Return the values that a run logged so far."""
    folder = run_folder(run)
    steps, evaluations = folder.metric_lines(), folder.evaluations()
    return Logged(
        loss=values(steps, "loss"),
        accuracy=values(steps, "accuracy"),
        held_out_loss=values(evaluations, "loss"),
        held_out_accuracy=values(evaluations, "accuracy"),
        learning_rate=values(steps, "learning_rate"),
        gradient_norm=values(steps, "gradient_norm"),
        tokens_per_second=values(steps, "tokens_per_second"),
    )


def curves_of_run(run: TrainingRun, smoothing: str, *, is_log: bool = False) -> list[Curves]:
    """Return the sections of the run's curves; none before it took two steps.

    On a logarithmic axis where `is_log`, apart from accuracy and speed.
    """
    logged = read_log(run)
    sections = (
        learning(run, logged, smoothing, is_log=is_log),
        optimiser(logged, smoothing, is_log=is_log),
    )
    return [section for section in sections if section is not None]


def loss_of_run(run: TrainingRun) -> Curves | None:
    """Return the loss alone, or None before the run took two steps."""
    logged = read_log(run)
    chart = loss_chart(run, logged, DEFAULT_SMOOTHING)
    if chart is None:
        return None
    columns = [
        Column(_("Training loss"), logged.loss, decimal),
        Column(_("Held-out loss"), logged.held_out_loss, decimal),
    ]
    return section("loss", _("Loss"), [chart], columns, notes(chart), DEFAULT_SMOOTHING)


def learning(
    run: TrainingRun, logged: Logged, smoothing: str, *, is_log: bool = False
) -> Curves | None:
    """Return the charts of loss and accuracy, on training and on held-out prompts."""
    loss = loss_chart(run, logged, smoothing, is_log=is_log)
    accuracy = line_chart(
        "plot-accuracy",
        _("Accuracy"),
        [*training(logged.accuracy, smoothing, 100), held_out(logged.held_out_accuracy, 100)],
        x=step_axis(),
        y=Axis(_("accuracy"), "%", decimals=1),
        reference=Reference(_("chance level"), 50),
    )
    columns = [
        Column(_("Training loss"), logged.loss, decimal),
        Column(_("Held-out loss"), logged.held_out_loss, decimal),
        Column(_("Training accuracy"), logged.accuracy, percent),
        Column(_("Held-out accuracy"), logged.held_out_accuracy, percent),
    ]
    charts = [loss, accuracy]
    return section("learning", _("Loss and accuracy"), charts, columns, notes(loss), smoothing)


def optimiser(logged: Logged, smoothing: str, *, is_log: bool = False) -> Curves | None:
    """Return the charts of the learning rate, the gradient norm and the speed."""
    rate = line_chart(
        "plot-learning-rate",
        _("Learning rate"),
        [line(_("Learning rate"), thinned(logged.learning_rate, MAX_POINTS), TRAINING, "thin")],
        x=step_axis(),
        y=Axis(_("learning rate"), notation="scientific", is_log=is_log),
    )
    norm = line_chart(
        "plot-gradient-norm",
        _("Gradient norm, before clipping"),
        training(logged.gradient_norm, smoothing),
        x=step_axis(),
        y=Axis(_("gradient norm"), notation="significant", is_log=is_log),
    )
    speed = line_chart(
        "plot-speed",
        _("Speed"),
        training(logged.tokens_per_second, smoothing),
        x=step_axis(),
        y=Axis(_("tokens per second")),
    )
    columns = [
        Column(_("Learning rate"), logged.learning_rate, scientific),
        Column(_("Gradient norm"), logged.gradient_norm, significant),
        Column(_("Tokens per second"), logged.tokens_per_second, whole),
    ]
    return section("optimiser", _("Optimiser"), [rate, norm, speed], columns, [], smoothing)


def loss_chart(
    run: TrainingRun, logged: Logged, smoothing: str, *, is_log: bool = False
) -> Chart | None:
    chance = chance_of_training(run)
    return line_chart(
        "plot-loss",
        _("Loss"),
        [*training(logged.loss, smoothing), held_out(logged.held_out_loss)],
        x=step_axis(),
        y=Axis(_("loss"), decimals=3, is_log=is_log),
        reference=None if chance is None else Reference(_("chance level"), chance),
    )


def held_out(points: Values, factor: float = 1) -> Series:
    return line(_("Held-out prompts"), thinned(points, MAX_POINTS), HELD_OUT, "thick", factor)


def training(points: Values, smoothing: str, factor: float = 1) -> list[Series]:
    """Return the line of the training steps; if it is smoothed, with the raw one behind it."""
    raw = thinned(points, MAX_POINTS)
    weight = SMOOTHING[smoothing]
    if not weight:
        return [line(_("Training"), raw, TRAINING, "thin", factor)]
    smooth = thinned(smoothed(points, weight), MAX_POINTS)
    return [
        line(_("Training, each step"), raw, TRAINING, "pale", factor),
        line(_("Training, smoothed"), smooth, TRAINING, "thin", factor),
    ]


def section(
    key: str,
    title: str,
    charts: Sequence[Chart | None],
    columns: Sequence[Column],
    sentences: list[str],
    smoothing: str,
) -> Curves | None:
    """Return the charts that have lines, with legend and table, or None without any."""
    drawn = [chart for chart in charts if chart is not None]
    if not drawn:
        return None
    styles = {(one.colour, one.style) for chart in drawn for one in chart.series}
    items = [
        LegendItem(_("Held-out prompts"), HELD_OUT, "thick"),
        LegendItem(
            _("Training") if smoothing == "none" else _("Training, smoothed"), TRAINING, "thin"
        ),
        LegendItem(_("Training, each step"), TRAINING, "pale"),
    ]
    return Curves(
        key=key,
        title=title,
        charts=drawn,
        legend=[item for item in items if (item.colour, item.style) in styles],
        columns=[_("Step"), *[column.title for column in columns]],
        rows=table(columns),
        notes=sentences,
    )


def table(columns: Sequence[Column]) -> list[list[str]]:
    """Return the values by step.

    Of values at every step, each row has the mean since the row before. Those of the evaluations
    have rows of their own steps.
    """
    steps = sorted({step for column in columns for step, _ in thinned(column.points, TABLE_ROWS)})
    found = [[thousands(round(step))] for step in steps]
    for column in columns:
        for row, value in zip(found, means(column.points, steps), strict=True):
            row.append(column.label(value))
    return found


def means(points: Values, steps: Sequence[float]) -> list[float | None]:
    """Return the mean of the values after the step before and up to each of the steps."""
    found: list[float | None] = []
    place = 0
    for step in steps:
        begin = place
        while place < len(points) and points[place][0] <= step:
            place += 1
        found.append(mean([value for _, value in points[begin:place]]))
    return found


def notes(chart: Chart | None) -> list[str]:
    """Return how to read the loss, as sentences."""
    found = [_("In the table, training values are means since the row before.")]
    if chart is not None and chart.references:
        chance = chart.references[0].value
        found.insert(
            0, _("The dashed line is chance level: a loss of %(loss)s.") % {"loss": decimal(chance)}
        )
    return found


def scientific(value: float | None) -> str:
    """Return 0.003 as "3.0e-03", and a dash for a value that is not known."""
    if not value:
        return decimal(None) if value is None else "0"
    return f"{value:.1e}"


def significant(value: float | None) -> str:
    """Return a number with three significant digits."""
    return decimal(None) if value is None else f"{value:.3g}"


def whole(value: float | None) -> str:
    return decimal(None) if value is None else thousands(round(value))
