"""The charts of a review."""

from collections.abc import Sequence

from django.urls import reverse
from django.utils.translation import gettext as _

from labelapp.models import TrainingRun
from labelapp.rendering.charts import Axis, Chart, Point, Reference, Series, axis_over, link
from labelapp.reviewing.filters import RANKS, Filter
from labelapp.reviewing.results import (
    Estimate,
    LengthPoint,
    LengthRewards,
    RankRewards,
    Standing,
)
from labelapp.runs.interval_plots import Estimate as PlotEstimate
from labelapp.runs.interval_plots import intervals_plot
from labelapp.templatetags.figures import percent, signed, thousands

LONGEST_NAME = 26  # characters of a source beside a plot


def in_brackets(found: Estimate | None, decimals: int = 2) -> str:
    """Return a signed figure with its interval, as in "+0.21 (+0.15 to +0.27)"."""
    if found is None:
        return "–"
    text = signed(found.value, decimals)
    if found.low is None:
        return text
    ends = {"low": signed(found.low, decimals), "high": signed(found.high, decimals)}
    return f"{text} ({_('%(low)s to %(high)s') % ends})"


def length_plot(found: LengthRewards, run: TrainingRun) -> Chart | None:
    """Return the rewards by the length of the response, with their correlation.

    Each point leads to the prompt of its response.
    """
    if len(found.points) < 2:
        return None
    points = sorted(found.points, key=lambda point: (point.words, point.reward))
    urls = urls_of_prompts(points, run)
    responses = thousands(found.responses)
    note = _("%(responses)s responses.") % {"responses": responses}
    if found.responses > len(points):
        note = _("%(drawn)s of %(responses)s responses are drawn.") % {
            "drawn": thousands(len(points)),
            "responses": responses,
        }
    return Chart(
        key="plot-length",
        kind="dots",
        title=_("Is it length?"),
        sentence=_("r = %(over_all)s over all responses, and %(within)s within prompts.")
        % {"over_all": in_brackets(found.correlation), "within": in_brackets(found.within)},
        notes=[note],
        x=axis_over(Axis(_("words in the response")), [0.0, *(point.words for point in points)]),
        y=axis_over(
            Axis(_("reward"), decimals=2, notation="signed"), [point.reward for point in points]
        ),
        series=[
            Series(
                "",
                [
                    Point(point.words, point.reward, url=urls.get(point.prompt, ""))
                    for point in points
                ],
                style="small",
            )
        ],
        columns=[_("Words"), _("Reward"), *([_("Prompt")] if urls else [])],
        rows=[
            [
                thousands(point.words),
                signed(point.reward),
                *([link(str(point.prompt), urls[point.prompt])] if point.prompt in urls else []),
            ]
            for point in points
        ],
    )


def urls_of_prompts(points: Sequence[LengthPoint], run: TrainingRun) -> dict[int | None, str]:
    """Return the pages of the points' prompts, as far as these have not been deleted."""
    keys = {point.prompt for point in points if point.prompt is not None}
    known = run.agreements.filter(prompt__in=keys).values_list("prompt", flat=True)
    slug, query = run.project.slug, Filter().query(run)
    return {pk: f"{reverse('reviewing_prompt', args=[slug, pk])}?{query}" for pk in known}


def url_of_list(run: TrainingRun, chosen: Filter) -> str:
    """Return the address of the prompts that a filter shows."""
    return f"{reverse('reviewing', args=[run.project.slug])}?{chosen.query(run)}"


def rank_plot(found: Sequence[RankRewards], run: TrainingRun, *, is_held_out: bool) -> Chart | None:
    """Return the rewards by human rank: means with intervals, and the middle half.

    Each rank leads to the prompts with a response of that rank, the held-out ones if these alone
    are measured.
    """
    if not found:
        return None
    held_out = "1" if is_held_out else ""
    urls = [
        url_of_list(run, Filter(rank=one.rank, held_out=held_out)) if one.rank in RANKS else ""
        for one in found
    ]
    ends = [end for one in found for end in (one.lower, one.upper, one.mean.low, one.mean.high)]
    return Chart(
        key="plot-ranks",
        kind="dots",
        title=_("Does it follow people?"),
        sentence=_("Mean reward by human rank; the box is the middle half of the rewards."),
        x=Axis(_("human rank (1 is best)"), names=[str(one.rank) for one in found]),
        y=axis_over(
            Axis(_("reward"), decimals=2, notation="signed"),
            [end for end in ends if end is not None],
        ),
        series=[
            Series(
                _("mean"),
                [
                    Point(
                        place, one.mean.value, one.mean.low, one.mean.high, (one.lower, one.upper),
                        text=in_brackets(one.mean), url=url,
                    )
                    for place, (one, url) in enumerate(zip(found, urls, strict=True))
                ],
            )
        ],
        columns=[_("Human rank"), _("Mean reward"), _("Middle half"), _("Placements")],
        rows=[
            [
                link(str(one.rank), url) if url else str(one.rank),
                in_brackets(one.mean),
                _("%(low)s to %(high)s") % {"low": signed(one.lower), "high": signed(one.upper)},
                thousands(one.placements),
            ]
            for one, url in zip(found, urls, strict=True)
        ],
    )  # fmt: skip


def leaderboard_plot(standings: Sequence[Standing], run: TrainingRun) -> Chart | None:
    """Return the share of comparisons that each source is expected to win, by people and model.

    Each source leads to the prompts with its responses.
    """
    estimates = []
    for one in standings:
        url = url_of_list(run, Filter(source=one.source))
        name = f"{short(one.source)} · {thousands(one.comparisons)}"
        estimates.append(plotted(name, "people", one.wins, url))
        if one.model_wins is not None:
            estimates.append(plotted(_("by the model"), "run", one.model_wins))
    if not estimates:
        return None
    title = _("Expected wins against the other sources, in\u00a0%, with 95\u00a0% intervals")
    return intervals_plot(
        "plot-board", title, estimates, reference=Reference(_("wins half of them"), 0.5)
    )


def plotted(name: str, kind: str, found: Estimate, url: str = "") -> PlotEstimate:
    return PlotEstimate(name, kind, found.value, found.low, found.high, percent(found.value), url)


def short(name: str) -> str:
    """Return a name that fits beside a plot."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
