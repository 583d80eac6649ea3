"""The plots of a review: positions in percent, and the values as the rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from labelapp.models import TrainingRun
from labelapp.models.jobs import as_object
from labelapp.rendering.charts import round_axis
from labelapp.reviewing.results import Estimate, LengthRewards, RankRewards, Standing
from labelapp.reviewing.wilson import wilson
from labelapp.runs.interval_plots import Estimate as PlotEstimate
from labelapp.runs.interval_plots import IntervalsPlot, intervals_plot
from labelapp.templatetags.figures import MINUS, percent, points, signed, thousands

LONGEST_NAME = 26  # characters of a source beside a plot


@dataclass(frozen=True)
class Axis:
    """An axis with round ends and evenly spaced ticks."""

    low: float
    high: float
    labels: list[str]

    def percent(self, value: float) -> float:
        """Return the position of a value, from 0 to 100."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    @property
    def grid(self) -> list[float]:
        """Return the positions of the ticks."""
        return [round(100 * n / (len(self.labels) - 1), 2) for n in range(len(self.labels))]


@dataclass(frozen=True)
class Mark:
    """A point, with the ends of its interval and of its box where it has them."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    box: tuple[float, float] | None = None  # upper end and height


@dataclass(frozen=True)
class Plot:
    """A plot with its axes, a sentence on it, and its values as a table."""

    name: str
    title: str
    sentence: str
    x_label: str
    y_label: str
    ticks_x: list[str]
    ticks_y: list[str]  # lowest first
    grid: list[float]
    marks: list[Mark]
    columns: list[str]
    rows: list[list[str]]
    is_categorical: bool = False  # ticks stand in the middle of equal parts
    has_diagonal: bool = False
    notes: list[str] = field(default_factory=list)


def axis_of(values: Sequence[float], decimals: int | None = None) -> Axis:
    """Return the axis on which all values lie."""
    low, high, unit = round_axis(min(values), max(values))
    ticks = [low + n * unit for n in range(round((high - low) / unit) + 1)]
    places = decimals if decimals is not None else (0 if unit >= 1 else 1 if unit >= 0.1 else 2)
    return Axis(low, high, [f"{tick + 0.0:,.{places}f}".replace("-", MINUS) for tick in ticks])


def in_brackets(found: Estimate | None, decimals: int = 2) -> str:
    """Return a signed figure with its interval, as in "+0.21 (+0.15 to +0.27)"."""
    if found is None:
        return "–"
    text = signed(found.value, decimals)
    if found.low is None:
        return text
    return f"{text} ({signed(found.low, decimals)} to {signed(found.high, decimals)})"


def length_plot(found: LengthRewards) -> Plot | None:
    """Return the rewards by the length of the response, with their correlation."""
    if len(found.points) < 2:
        return None
    x = axis_of([0, *(words for words, _ in found.points)], 0)
    y = axis_of([reward for _, reward in found.points])
    return Plot(
        name="length",
        title="Is it length?",
        sentence=f"r = {in_brackets(found.correlation)} over all responses, and"
        f" {in_brackets(found.within)} within prompts.",
        x_label="words in the response",
        y_label="reward",
        ticks_x=x.labels,
        ticks_y=y.labels,
        grid=y.grid,
        marks=[Mark(x.percent(words), 100 - y.percent(reward)) for words, reward in found.points],
        columns=["Words", "Reward"],
        rows=[[thousands(words), signed(reward)] for words, reward in sorted(found.points)],
        notes=[
            f"{thousands(found.responses)} responses"
            + (f", of which {len(found.points)} are drawn" if shown_in_part(found) else "")
        ],
    )


def shown_in_part(found: LengthRewards) -> bool:
    return found.responses > len(found.points)


def rank_plot(found: Sequence[RankRewards]) -> Plot | None:
    """Return the rewards by human rank: means with intervals, and the middle half."""
    if not found:
        return None
    ends = [end for one in found for end in (one.lower, one.upper, one.mean.low, one.mean.high)]
    y = axis_of([end for end in ends if end is not None])
    width = 100 / len(found)
    return Plot(
        name="ranks",
        title="Does it follow people?",
        sentence="Mean reward by human rank; the box is the middle half of the rewards.",
        x_label="human rank (1 is best)",
        y_label="reward",
        ticks_x=[str(one.rank) for one in found],
        ticks_y=y.labels,
        grid=y.grid,
        marks=[rank_mark(one, y, (place + 0.5) * width) for place, one in enumerate(found)],
        columns=["Human rank", "Mean reward", "Middle half", "Placements"],
        rows=[
            [
                str(one.rank),
                in_brackets(one.mean),
                f"{signed(one.lower)} to {signed(one.upper)}",
                thousands(one.placements),
            ]
            for one in found
        ],
        is_categorical=True,
    )


def rank_mark(found: RankRewards, y: Axis, position: float) -> Mark:
    top = 100 - y.percent(found.upper)
    return Mark(
        x=round(position, 2),
        y=100 - y.percent(found.mean.value),
        low=None if found.mean.low is None else 100 - y.percent(found.mean.low),
        high=None if found.mean.high is None else 100 - y.percent(found.mean.high),
        box=(round(top, 2), round(100 - y.percent(found.lower) - top, 2)),
    )


def calibration_plot(run: TrainingRun) -> Plot | None:
    """Return how often the model is right, by how confident it is, as its run measured it."""
    calibration = as_object(run.held_out.get("calibration"))
    stored = calibration.get("bins")
    bins = [as_object(one) for one in stored] if isinstance(stored, list) else []
    known = [one for one in bins if is_filled(one)]
    if not known:
        return None
    error = calibration.get("ece")
    return Plot(
        name="calibration",
        title="Is it as sure as it should be?",
        sentence=f"Expected calibration error {percent(error)} on held-out comparisons; on the"
        " dashed line, confidence comes true.",
        x_label="confidence in the preferred response, in %",
        y_label="right, in %",
        ticks_x=["50", "60", "70", "80", "90", "100"],
        ticks_y=["0", "25", "50", "75", "100"],
        grid=[0.0, 25.0, 50.0, 75.0, 100.0],
        marks=[calibration_mark(one) for one in known],
        columns=["Confidence", "Right", "Comparisons"],
        rows=[calibration_row(one) for one in known],
        has_diagonal=True,
        notes=["The intervals treat comparisons as independent, and are a little too narrow."],
    )


def is_filled(one: dict[str, Any]) -> bool:
    """Return True for a bin of the calibration that has comparisons."""
    figures = (one.get("confidence"), one.get("accuracy"))
    has_figures = all(isinstance(value, int | float) for value in figures)
    return has_figures and isinstance(one.get("comparisons"), int) and one["comparisons"] > 0


def calibration_mark(one: dict[str, Any]) -> Mark:
    low, high = wilson(one["accuracy"], one["comparisons"])
    return Mark(
        x=round(200 * (one["confidence"] - 0.5), 2),
        y=round(100 - 100 * one["accuracy"], 2),
        low=round(100 - 100 * low, 2),
        high=round(100 - 100 * high, 2),
    )


def calibration_row(one: dict[str, Any]) -> list[str]:
    low, high = wilson(one["accuracy"], one["comparisons"])
    right = f"{percent(one['accuracy'])} ({points(low)}–{points(high)})"
    return [percent(one["confidence"]), right, thousands(one["comparisons"])]


def leaderboard_plot(standings: Sequence[Standing]) -> IntervalsPlot | None:
    """Return the share of comparisons that each source is expected to win, by people and model."""
    estimates = []
    for one in standings:
        estimates.append(plotted(short(one.source), "people", one.wins))
        if one.model_wins is not None:
            estimates.append(plotted("by the model", "run", one.model_wins))
    if not estimates:
        return None
    title = "Expected wins against the other sources, in %"
    return intervals_plot(title, estimates, lambda value: f"{100 * value:.0f}")


def plotted(name: str, kind: str, found: Estimate) -> PlotEstimate:
    return PlotEstimate(name, kind, found.value, found.low, found.high, percent(found.value))


def short(name: str) -> str:
    """Return a name that fits beside a plot."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
