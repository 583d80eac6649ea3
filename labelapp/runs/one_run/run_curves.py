"""The curves of one run: loss and accuracy, and how the optimiser worked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labelapp.models import TrainingRun
from labelapp.rendering.charts import (
    MAX_POINTS,
    SMOOTHING,
    LineChart,
    Series,
    line_chart,
    smoothed,
    thinned,
)
from labelapp.runs.caveats import chance_of_training
from labelapp.runs.curves import Curves, LegendItem, Values, decimal, mean, values
from labelapp.runs.process import run_folder
from labelapp.templatetags.figures import percent, thousands

TABLE_ROWS = 30  # beside those of the evaluations
HELD_OUT, TRAINING = 1, 2  # colours
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


def curves_of_run(run: TrainingRun, smoothing: str) -> list[Curves]:
    """Return the sections of the run's curves; none before it took two steps."""
    logged = read_log(run)
    sections = (learning(run, logged, smoothing), optimiser(logged, smoothing))
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
    return section("loss", "Loss", [chart], columns, notes(run, chart), DEFAULT_SMOOTHING)


def learning(run: TrainingRun, logged: Logged, smoothing: str) -> Curves | None:
    """Return the charts of loss and accuracy, on training and on held-out prompts."""
    loss = loss_chart(run, logged, smoothing)
    accuracy = line_chart(
        "accuracy",
        "Accuracy",
        [*training(logged.accuracy, smoothing), held_out(logged.held_out_accuracy)],
        lambda value: percent(value, 0),
        chance=0.5,
    )
    columns = [
        Column("Training loss", logged.loss, decimal),
        Column("Held-out loss", logged.held_out_loss, decimal),
        Column("Training accuracy", logged.accuracy, percent),
        Column("Held-out accuracy", logged.held_out_accuracy, percent),
    ]
    charts = [loss, accuracy]
    return section("learning", "Loss and accuracy", charts, columns, notes(run, loss), smoothing)


def optimiser(logged: Logged, smoothing: str) -> Curves | None:
    """Return the charts of the learning rate, the gradient norm and the speed."""
    rate = line_chart(
        "learning-rate",
        "Learning rate",
        [Series(TRAINING, "thin", thinned(logged.learning_rate, MAX_POINTS))],
        scientific,
    )
    norm = line_chart(
        "gradient-norm",
        "Gradient norm",
        training(logged.gradient_norm, smoothing),
        significant,
        unit="before clipping",
    )
    speed = line_chart(
        "speed",
        "Speed",
        training(logged.tokens_per_second, smoothing),
        whole,
        unit="tokens per second",
    )
    columns = [
        Column("Learning rate", logged.learning_rate, scientific),
        Column("Gradient norm", logged.gradient_norm, significant),
        Column("Tokens per second", logged.tokens_per_second, whole),
    ]
    return section("optimiser", "Optimiser", [rate, norm, speed], columns, [], smoothing)


def loss_chart(run: TrainingRun, logged: Logged, smoothing: str) -> LineChart | None:
    return line_chart(
        "loss",
        "Loss",
        [*training(logged.loss, smoothing), held_out(logged.held_out_loss)],
        lambda value: f"{value:.2f}",
        chance=chance_of_training(run),
    )


def held_out(points: Values) -> Series:
    return Series(HELD_OUT, "thick", thinned(points, MAX_POINTS))


def training(points: Values, smoothing: str) -> list[Series]:
    """Return the line of the training steps; if it is smoothed, with the raw one behind it."""
    raw = thinned(points, MAX_POINTS)
    weight = SMOOTHING[smoothing]
    if not weight:
        return [Series(TRAINING, "thin", raw)]
    line = thinned(smoothed(points, weight), MAX_POINTS)
    return [Series(TRAINING, "pale", raw), Series(TRAINING, "thin", line)]


def section(
    key: str,
    title: str,
    charts: Sequence[LineChart | None],
    columns: Sequence[Column],
    sentences: list[str],
    smoothing: str,
) -> Curves | None:
    """Return the charts that have lines, with legend and table, or None without any."""
    drawn = [chart for chart in charts if chart is not None]
    if not drawn:
        return None
    styles = {(line.colour, line.style) for chart in drawn for line in chart.lines}
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


def notes(run: TrainingRun, chart: LineChart | None) -> list[str]:
    """Return how to read the loss, as sentences."""
    chance = chance_of_training(run)
    found = ["In the table, training values are means since the row before."]
    if chart is not None and chart.chance is not None and chance is not None:
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
