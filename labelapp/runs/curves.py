"""The curves of several runs over one another, and their values as a table."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labelapp.models import TrainingRun
from labelapp.rendering.charts import CHANCE_LOSS, LineChart, line_chart, smoothed
from labelapp.runs.process import run_folder
from labelapp.runs.words import in_words
from labelapp.templatetags.figures import percent
from training.runs.folder import RunFolder

TABLE_ROWS = 30  # of one run

Values = list[tuple[float, float]]


@dataclass(frozen=True)
class Curves:
    """The logged values of one run."""

    run: TrainingRun
    number: int  # of its colour
    is_apart: bool  # judged on other held-out comparisons
    train_loss: Values
    train_accuracy: Values
    log_loss: Values  # on the held-out prompts
    accuracy: Values

    @property
    def took_steps(self) -> bool:
        return bool(self.train_loss)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Return the held-out values by step, each with the training values before it."""
        accuracies = dict(self.accuracy)
        rows, before = [], -1.0
        for step, loss in self.log_loss:
            losses, hits = (
                [value for at, value in values if before < at <= step]
                for values in (self.train_loss, self.train_accuracy)
            )
            row = {"run": self.run, "number": self.number, "step": round(step), "log_loss": loss}
            row |= {"accuracy": accuracies.get(step)}
            rows.append(row | {"train_loss": mean(losses), "train_accuracy": mean(hits)})
            before = step
        stride = -(-len(rows) // TABLE_ROWS) or 1
        return rows[::-1][::stride][::-1]  # with the last one


@dataclass(frozen=True)
class CurveCharts:
    """Two charts of all runs, with their legend and table."""

    charts: list[tuple[str, str, LineChart]]  # a key, a title, the lines
    runs: list[Curves]

    @property
    def notes(self) -> list[str]:
        """Return why lines are missing or level, as sentences."""
        linear = [one for one in self.runs if not one.took_steps and one.log_loss]
        drawn_level = [one for one in linear if not one.is_apart]
        apart = [one for one in self.runs if one.is_apart and one.log_loss]
        unknown = [one for one in self.runs if not one.log_loss]
        found = []
        if drawn_level:
            found.append(
                "The dotted lines are linear models, which are fitted at once:"
                f" {names(drawn_level)}."
            )
        if apart:
            found.append(
                f"Held-out values on other comparisons are in the table only: {names(apart)}."
            )
        if unknown:
            found.append(f"No held-out values by step are known of {names(unknown)}.")
        return found


def names(runs: Sequence[Curves]) -> str:
    return in_words([f"run {one.run.pk}" for one in runs])


def curve_charts(
    runs: Sequence[TrainingRun], apart: Collection[TrainingRun] = ()
) -> CurveCharts | None:
    """Return the charts of loss and accuracy by step, or None where no run took steps.

    Those `apart` were judged on other comparisons, so that their held-out values are not drawn.
    """
    curves = [
        read_curves(run, number, is_apart=run in apart) for number, run in enumerate(runs, start=1)
    ]
    beside = [one for one in curves if not one.is_apart]
    loss = line_chart(
        [(c.number, "thin", smoothed(c.train_loss)) for c in curves]
        + [(c.number, "marked", c.log_loss) for c in beside],
        CHANCE_LOSS,
        lambda value: f"{value:.2f}",
    )
    accuracy = line_chart(
        [(c.number, "thin", smoothed(c.train_accuracy)) for c in curves]
        + [(c.number, "marked", c.accuracy) for c in beside],
        0.5,
        lambda value: percent(value, 0),
    )
    charts = [("loss", "Loss", loss), ("accuracy", "Accuracy", accuracy)]
    drawn = [(key, title, chart) for key, title, chart in charts if chart is not None]
    return CurveCharts(drawn, curves) if drawn else None


def read_curves(run: TrainingRun, number: int, *, is_apart: bool) -> Curves:
    """Return the values that a run logged."""
    folder: RunFolder = run_folder(run)
    steps, evaluations = folder.metric_lines(), folder.evaluations()
    return Curves(
        run=run,
        number=number,
        is_apart=is_apart,
        train_loss=values(steps, "loss"),
        train_accuracy=values(steps, "accuracy"),
        log_loss=values(evaluations, "log_loss"),
        accuracy=values(evaluations, "accuracy"),
    )


def values(lines: Sequence[Mapping[str, Any]], name: str) -> Values:
    """Return the (step, value) pairs of the lines that have both."""
    return [
        (float(line["step"]), float(line[name]))
        for line in lines
        if isinstance(line.get("step"), int) and isinstance(line.get(name), int | float)
    ]


def mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None
