"""The table of a comparison: settings that differ, figures, data and cost, by run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from labelapp.models.jobs import as_object, is_number
from labelapp.runs import leads
from labelapp.runs.caveats import gain
from labelapp.runs.comparison.comparing import ComparedRun, RunComparison
from labelapp.runs.comparison.measures import ACCURACY, LOG_LOSS, NEAR_EQUAL, Measure
from labelapp.runs.interval_plots import signed_span
from labelapp.runs.words import setting_label, span
from labelapp.templatetags.figures import decimal, duration, memory, percent, signed, thousands
from training.config import TrainConfig

OPPOSITE = {"better": "worse", "worse": "better", "": ""}


@dataclass(frozen=True)
class Cell:
    """A value of the table, with a second line in small print."""

    text: str
    detail: str = ""
    tone: str = ""  # better, worse or refused


@dataclass(frozen=True)
class FigureRow:
    """A row of the table: one value for each run."""

    label: str
    hint: str
    cells: list[Cell]


@dataclass(frozen=True)
class Section:
    """Rows of the table under one heading."""

    title: str
    rows: list[FigureRow]
    note: str = ""


def sections(comparison: RunComparison) -> list[Section]:
    """Return the rows of the table under their headings."""
    return [
        Section(_("Settings that differ"), *settings_that_differ(comparison.runs)),
        Section(_("On held-out prompts"), held_out_rows(comparison)),
        Section(_("Data"), data_rows(comparison.runs)),
        Section(_("Cost"), cost_rows(comparison.runs)),
    ]


def settings_that_differ(runs: Sequence[ComparedRun]) -> tuple[list[FigureRow], str]:
    """Return a row for each setting that differs, and what to say if there are none."""
    defaults = TrainConfig().to_json()
    names = dict.fromkeys(name for one in runs for name in one.config)
    rows = [
        FigureRow(capfirst(setting_label(name)), default_hint(defaults, name), [
            setting_cell(one.config.get(name), defaults.get(name)) for one in runs
        ])
        for name in names
        if len({repr(one.config.get(name)) for one in runs}) > 1
    ]  # fmt: skip
    return rows, "" if rows else _("All settings are equal.")


def setting_cell(value: object, default: object) -> Cell:
    """Return a setting, marked where it is not the default; the model decides what is left out."""
    text = _("default") if value in (None, "") else str(value)
    return Cell(text, tone="" if value in (None, "", default) else "changed")


def default_hint(defaults: dict[str, Any], name: str) -> str:
    """Return the default of a setting in words."""
    value = defaults.get(name)
    return "" if value in (None, "") else _("default: %(value)s") % {"value": value}


def held_out_rows(comparison: RunComparison) -> list[FigureRow]:
    """Return the rows of the figures on held-out prompts."""
    runs, words = comparison.runs, {"run": comparison.reference.name}
    from_reference = (
        _("from %(run)s, in points, with 95\u00a0%% interval over the same prompts") % words
    )
    return [
        FigureRow(
            _("Accuracy"),
            _("95\u00a0% interval"),
            [share(one.held_out, "accuracy") for one in runs],
        ),
        FigureRow(
            _("Difference from %(run)s") % words,
            _("in points, with 95\u00a0% interval over the same prompts"),
            [difference(one, ACCURACY) for one in runs],
        ),
        FigureRow(
            _("Accuracy at near-equal length"),
            _("95\u00a0% interval; where length does not help"),
            [near_equal(one.held_out) for one in runs],
        ),
        FigureRow(
            _("Difference at near-equal length"),
            from_reference,
            [difference(one, NEAR_EQUAL) for one in runs],
        ),
        FigureRow(
            _("Log loss"),
            _("95\u00a0% interval; lower is better; 0.693 is chance level"),
            [loss(one.held_out) for one in runs],
        ),
        FigureRow(
            _("Difference in log loss"),
            _("from %(run)s, with 95\u00a0%% interval over the same prompts; below 0 is better")
            % words,
            [difference(one, LOG_LOSS) for one in runs],
        ),
        FigureRow(
            _("Lead over the best baseline"),
            _("in points, with 95\u00a0% interval"),
            [best_baseline(one) for one in runs],
        ),
        FigureRow(
            _("People’s agreement"),
            _("95\u00a0% interval; two labellers, same prompts"),
            [people(one) for one in runs],
        ),
    ]


def data_rows(runs: Sequence[ComparedRun]) -> list[FigureRow]:
    """Return the rows of what the runs learned from and were judged on."""
    return [
        FigureRow(_("Learned from"), "", [
            counted(one.run.manifest, "train_rankings", "train_prompts") for one in runs
        ]),
        FigureRow(_("Judged on"), "", [
            judged_on(one.held_out) for one in runs
        ]),
    ]  # fmt: skip


def cost_rows(runs: Sequence[ComparedRun]) -> list[FigureRow]:
    """Return the rows of what the runs cost."""
    kinds: list[tuple[str, str, str, Callable[[object], str]]] = [
        (_("Training time"), "", "seconds", duration),
        (_("Steps"), "", "steps", thousands),
        (_("Tokens"), _("read in training steps"), "tokens", thousands),
        (_("Parameters"), "", "parameters", thousands),
        (_("Memory"), _("the most that the process had"), "peak_rss", memory),
        (_("Memory of the GPU"), _("the most that was allocated"), "peak_cuda", memory),
    ]
    return [
        FigureRow(label, hint, [Cell(show(one.run.metrics.get(name))) for one in runs])
        for label, hint, name, show in kinds
        if name != "peak_cuda" or any(name in one.run.metrics for one in runs)
    ]


def share(figures: dict[str, Any], name: str) -> Cell:
    """Return a share with its interval."""
    low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
    return Cell(percent(figures.get(name)), span(low, high) if low is not None else "")


def near_equal(held_out: dict[str, Any]) -> Cell:
    """Return the accuracy at near-equal length, with its interval and its comparisons."""
    figures = as_object(held_out.get("near_equal"))
    comparisons = figures.get("comparisons")
    number = (
        _("%(number)s comparisons") % {"number": thousands(comparisons)}
        if isinstance(comparisons, int)
        else ""
    )
    return with_count(share(figures, "accuracy"), number)


def pairs(number: object) -> str:
    """Return a number of pairs in words, or "" where it is not known."""
    return _("%(number)s pairs") % {"number": thousands(number)} if isinstance(number, int) else ""


def with_count(cell: Cell, number: str) -> Cell:
    """Return a figure with what it is counted on after its interval."""
    return Cell(cell.text, " · ".join(filter(None, (cell.detail, number))), cell.tone)


def loss(figures: dict[str, Any]) -> Cell:
    """Return the log loss with its interval, which runs of earlier versions do not have."""
    low, high = figures.get("log_loss_low"), figures.get("log_loss_high")
    interval = ""
    if is_number(low) and is_number(high):
        interval = _("%(low)s to %(high)s") % {
            "low": three_decimals(low),
            "high": three_decimals(high),
        }
    return Cell(three_decimals(figures.get("log_loss")), interval)


def difference(one: ComparedRun, measure: Measure) -> Cell:
    """Return a run's difference from the reference, or why there is none."""
    if one.is_reference:
        return Cell(_("reference"))
    if one.why_apart:
        reason = capfirst(one.why_apart) if measure == ACCURACY else ""  # once is enough
        return Cell(_("not comparable"), reason, "refused")
    found = one.differences.get(measure)
    if found is None:
        return Cell("–")
    value, interval = (signed_loss, loss_span) if measure == LOG_LOSS else (gain, signed_span)
    if found.low is None or found.high is None:
        return Cell(value(found.value), _("no interval"))
    tone = OPPOSITE[found.tone] if measure.lower_is_better else found.tone
    return Cell(value(found.value), interval(found.low, found.high), tone)


def signed_loss(value: float) -> str:
    return signed(value, 3)


def loss_span(low: float, high: float) -> str:
    """Return the ends of a difference in loss, as in "−0.012 to +0.050"."""
    return _("%(low)s to %(high)s") % {"low": signed_loss(low), "high": signed_loss(high)}


def best_baseline(one: ComparedRun) -> Cell:
    """Return a run's lead over the most accurate of its baselines."""
    lead = leads.best_baseline(one.held_out.get("baselines"))
    if lead is None:
        return Cell("–")
    low, high = lead.gain.low, lead.gain.high
    over = _("over %(over)s") % {"over": lead.over}
    if low is not None and high is not None:
        over = f"{signed_span(low, high)} {over}"
    return Cell(gain(lead.gain.value), over, lead.tone)


def people(one: ComparedRun) -> Cell:
    """Return how often two labellers agree on the held-out prompts."""
    agreement = as_object(as_object(one.run.metrics.get("labellers_agree")).get("held_out"))
    return with_count(share(agreement, "agreement"), pairs(agreement.get("pairs")))


def counted(figures: dict[str, Any], rankings: str, prompts: str) -> Cell:
    """Return numbers of rankings and prompts."""
    return Cell(
        _("%(number)s rankings") % {"number": thousands(figures.get(rankings))},
        _("%(number)s prompts") % {"number": thousands(figures.get(prompts))},
    )


def judged_on(held_out: dict[str, Any]) -> Cell:
    """Return numbers of held-out comparisons and rankings."""
    return Cell(
        _("%(number)s comparisons") % {"number": thousands(held_out.get("comparisons"))},
        counted(held_out, "rankings", "prompts").text,
    )


def three_decimals(value: object) -> str:
    """Return a figure with three decimals, and a dash for a value that is not known."""
    return decimal(value, 3) if is_number(value) else "–"
