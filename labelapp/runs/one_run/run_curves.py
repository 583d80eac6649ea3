"""The curves of one run: loss and accuracy, and how the optimiser worked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from labelapp.models import TrainingRun
from labelapp.rendering.charts import Axis, Chart, Reference, Series, line_chart
from labelapp.runs.caveats import chance_of_training
from labelapp.runs.curves import (
    MAX_POINTS,
    SMOOTHING,
    STEP,
    Curves,
    LegendItem,
    Values,
    decimal,
    line,
    mean,
    smoothed,
    thinned,
    values,
)
from labelapp.runs.process import run_folder
from labelapp.templatetags.figures import percent, thousands

TABLE_ROWS = 30  # beside those of the evaluations
HELD_OUT, TRAINING = "1", "2"  # colours
DEFAULT_SMOOTHING = "light"
LOSS = Axis("loss", decimals=3)
ACCURACY = Axis("accuracy", "%", decimals=1)
RATE = Axis("learning rate", notation="scientific")
NORM = Axis("gradient norm", notation="significant")
SPEED = Axis("tokens per second")

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
        Column("Training loss", logged.loss, decimal),
        Column("Held-out loss", logged.held_out_loss, decimal),
    ]
    return section("loss", "Loss", [chart], columns, notes(chart), DEFAULT_SMOOTHING)


def learning(
    run: TrainingRun, logged: Logged, smoothing: str, *, is_log: bool = False
) -> Curves | None:
    """Return the charts of loss and accuracy, on training and on held-out prompts."""
    loss = loss_chart(run, logged, smoothing, is_log=is_log)
    accuracy = line_chart(
        "plot-accuracy",
        "Accuracy",
        [*training(logged.accuracy, smoothing, 100), held_out(logged.held_out_accuracy, 100)],
        x=STEP,
        y=ACCURACY,
        reference=Reference("chance level", 50),
    )
    columns = [
        Column("Training loss", logged.loss, decimal),
        Column("Held-out loss", logged.held_out_loss, decimal),
        Column("Training accuracy", logged.accuracy, percent),
        Column("Held-out accuracy", logged.held_out_accuracy, percent),
    ]
    charts = [loss, accuracy]
    return section("learning", "Loss and accuracy", charts, columns, notes(loss), smoothing)


def optimiser(logged: Logged, smoothing: str, *, is_log: bool = False) -> Curves | None:
    """Return the charts of the learning rate, the gradient norm and the speed."""
    rate = line_chart(
        "plot-learning-rate",
        "Learning rate",
        [line("Learning rate", thinned(logged.learning_rate, MAX_POINTS), TRAINING, "thin")],
        x=STEP,
        y=replace(RATE, is_log=is_log),
    )
    norm = line_chart(
        "plot-gradient-norm",
        "Gradient norm, before clipping",
        training(logged.gradient_norm, smoothing),
        x=STEP,
        y=replace(NORM, is_log=is_log),
    )
    speed = line_chart(
        "plot-speed",
        "Speed",
        training(logged.tokens_per_second, smoothing),
        x=STEP,
        y=SPEED,
    )
    columns = [
        Column("Learning rate", logged.learning_rate, scientific),
        Column("Gradient norm", logged.gradient_norm, significant),
        Column("Tokens per second", logged.tokens_per_second, whole),
    ]
    return section("optimiser", "Optimiser", [rate, norm, speed], columns, [], smoothing)


def loss_chart(
    run: TrainingRun, logged: Logged, smoothing: str, *, is_log: bool = False
) -> Chart | None:
    chance = chance_of_training(run)
    return line_chart(
        "plot-loss",
        "Loss",
        [*training(logged.loss, smoothing), held_out(logged.held_out_loss)],
        x=STEP,
        y=replace(LOSS, is_log=is_log),
        reference=None if chance is None else Reference("chance level", chance),
    )


def held_out(points: Values, factor: float = 1) -> Series:
    return line("Held-out prompts", thinned(points, MAX_POINTS), HELD_OUT, "thick", factor)


def training(points: Values, smoothing: str, factor: float = 1) -> list[Series]:
    """Return the line of the training steps; if it is smoothed, with the raw one behind it."""
    raw = thinned(points, MAX_POINTS)
    weight = SMOOTHING[smoothing]
    if not weight:
        return [line("Training", raw, TRAINING, "thin", factor)]
    smooth = thinned(smoothed(points, weight), MAX_POINTS)
    return [
        line("Training, each step", raw, TRAINING, "pale", factor),
        line("Training, smoothed", smooth, TRAINING, "thin", factor),
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
        LegendItem("Held-out prompts", HELD_OUT, "thick"),
        LegendItem(f"Training{'' if smoothing == 'none' else ', smoothed'}", TRAINING, "thin"),
        LegendItem("Training, each step", TRAINING, "pale"),
    ]
    return Curves(
        key=key,
        title=title,
        charts=drawn,
        legend=[item for item in items if (item.colour, item.style) in styles],
        columns=["Step", *[column.title for column in columns]],
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
    found = ["In the table, training values are means since the row before."]
    if chart is not None and chart.references:
        chance = chart.references[0].value
        found.insert(0, f"The dashed line is chance level: a loss of {chance:.3f}.")
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
