"""The plots of a review."""

from collections.abc import Sequence

from labelapp.rendering.plots import Axis, Mark, Plot, axis_of
from labelapp.reviewing.results import Estimate, LengthRewards, RankRewards, Standing
from labelapp.runs.interval_plots import Estimate as PlotEstimate
from labelapp.runs.interval_plots import IntervalsPlot, intervals_plot
from labelapp.templatetags.figures import percent, signed, thousands

LONGEST_NAME = 26  # characters of a source beside a plot


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
