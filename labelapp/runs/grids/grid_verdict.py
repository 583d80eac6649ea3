"""The verdict on a grid: which settings are best, and whether that is sure."""

from collections.abc import Sequence

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labelapp.runs.caveats import few_prompts, gain
from labelapp.runs.grids.grid_results import GridResults, Settings
from labelapp.runs.paired_bootstrap import Gain
from labelapp.runs.run_verdict import Verdict
from labelapp.templatetags.figures import percent, points


def verdict(results: GridResults) -> Verdict | None:
    """Return the verdict on a grid whose runs have ended, or None if none of them is judged."""
    known = results.known
    if not known:
        return None
    if few := few_prompts(known[0].judged[0].held_out):
        return Verdict(_("Not known which settings are best: %(few)s.") % {"few": few}, [], "open")
    if len(known) == 1:
        return of_seeds(known[0])
    reference = results.reference
    if reference is None or reference.accuracy is None:
        headline = _("%(best)s: the highest accuracy, %(accuracy)s. The runs to compare it with"
                     " have not finished.")  # fmt: skip
        return Verdict(headline % shown(known[0]), [], "open", notes(known))
    best = known[0]
    if best is reference:
        return reference_is_best(best, known[1:])
    return other_is_best(best, reference, known)


def of_seeds(one: Settings) -> Verdict:
    """Return the verdict on runs that differ in their seeds, or on a single finished one."""
    if one.spread is None:
        return Verdict(_("Only one run was judged, so there is nothing to compare."), [], "open")
    if one.spread == 0:
        return Verdict(
            _("The seed makes no difference: accuracy is %(accuracy)s with each of %(seeds)s.")
            % shown(one), [], "clear",
        )  # fmt: skip
    return Verdict(
        _("The seed alone changes the accuracy by %(spread)s points: from %(low)s to %(high)s, on"
          " average %(accuracy)s over %(seeds)s seeds.") % shown(one),
        [_("A difference between two settings that is smaller than this may be chance.")],
        "clear",
    )  # fmt: skip


def reference_is_best(best: Settings, others: Sequence[Settings]) -> Verdict:
    """Return the verdict where nothing has a higher accuracy than the reference."""
    beaten = [one for one in others if one.gain is not None and one.gain.is_below_zero]
    words = shown(best) | {"beaten": len(beaten), "others": len(others)}
    if len(beaten) == len(others):
        headline = _("%(best)s: best, and measurably better than every other.") % words
        return Verdict(headline, spreads(others, best), "clear", notes([best, *others]))
    headline = (
        _("%(best)s: the highest accuracy, %(accuracy)s, measurably better than %(beaten)s of"
          " %(others)s others.")
        if beaten
        else _("%(best)s: the highest accuracy, %(accuracy)s, but not measurably better than any"
               " other.")
    )  # fmt: skip
    return Verdict(headline % words, spreads(others, best), "open", notes([best, *others]))


def other_is_best(best: Settings, reference: Settings, known: Sequence[Settings]) -> Verdict:
    """Return the verdict where other settings than the reference have the highest accuracy."""
    lead = best.gain or Gain((best.accuracy or 0.0) - (reference.accuracy or 0.0))
    words = shown(best) | {
        "lead": points(lead.value),
        "interval": interval(lead),
        "reference": reference_name(reference),
    }
    largest = max([one.spread or 0.0 for one in (best, reference)])
    if not lead.is_above_zero:
        headline = _("%(best)s: the highest accuracy, but not measurably better than"
                     " %(reference)s: %(lead)s points ahead%(interval)s.")  # fmt: skip
        return Verdict(headline % words, spreads(known, None), "open", notes(known))
    if lead.value <= largest:
        headline = _("%(best)s: %(lead)s points ahead of %(reference)s%(interval)s, but not surely"
                     " better: the seed alone changes the accuracy by %(largest)s"
                     " points.")  # fmt: skip
        words |= {"largest": points(largest)}
        return Verdict(headline % words, spreads(known, None), "open", notes(known))
    headline = _("%(best)s: best, and measurably better than %(reference)s: %(lead)s points"
                 " ahead%(interval)s.")  # fmt: skip
    return Verdict(headline % words, spreads(known, None), "clear", notes(known))


def shown(one: Settings) -> dict[str, object]:
    """Return what sentences say of some settings."""
    return {
        "best": capfirst(one.words),
        "accuracy": percent(one.accuracy),
        "spread": points(one.spread),
        "low": percent(min(one.accuracies, default=None)),
        "high": percent(max(one.accuracies, default=None)),
        "seeds": len(one.accuracies),
    }


def reference_name(reference: Settings) -> str:
    """Return what the others are compared with, in words."""
    return _("the default") if reference.is_default else reference.words


def interval(lead: Gain) -> str:
    """Return the interval of a lead in brackets, or "" where there is none."""
    if lead.low is None or lead.high is None:
        return ""
    return _(" (95\u00a0%% interval %(low)s to %(high)s)") % {
        "low": gain(lead.low), "high": gain(lead.high),
    }  # fmt: skip


def spreads(known: Sequence[Settings], first: Settings | None) -> list[str]:
    """Return how much the seeds differ, as a sentence, where there are several."""
    found = [one.spread for one in [*known, *([first] if first else [])] if one.spread is not None]
    if not found:
        return []
    return [
        _("With the same settings, the seeds differ by up to %(spread)s points.")
        % {"spread": points(max(found))}
    ]


def notes(known: Sequence[Settings]) -> list[str]:
    """Return how to read the verdict."""
    found = [
        ngettext(
            "Each interval is for one pair of settings, over the same held-out prompts.",
            "Each interval is for one pair of settings, over the same held-out prompts, and not"
            " corrected for the %(number)s pairs: the best of many looks better than it is.",
            len(known) - 1,
        )
        % {"number": len(known) - 1}
    ]
    if all(len(one.judged) < 2 for one in known):
        found.append(
            _("With one seed for each, it is not known how much of a difference is due to the"
              " seed.")
        )  # fmt: skip
    return found
