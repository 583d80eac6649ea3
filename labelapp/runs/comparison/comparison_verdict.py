"""The verdict of a comparison: which run is the best, in words."""

from collections.abc import Sequence

from django.utils.text import capfirst, get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labelapp.runs.caveats import gain
from labelapp.runs.comparison.comparing import ComparedRun, RunComparison, gains_over
from labelapp.runs.paired_bootstrap import Gain
from labelapp.runs.run_verdict import Verdict, share_of
from labelapp.templatetags.figures import points
from training.runs.caveats import is_measured


def verdict(comparison: RunComparison) -> Verdict:
    """Return which run orders the held-out comparisons best, or that this cannot be told."""
    together, reference = comparison.together, comparison.reference
    apart = [
        _("%(run)s is set apart: %(reason)s") % {"run": capfirst(one.name), "reason": one.why_apart}
        for one in comparison.apart
    ]
    if len(together) == 1:
        return Verdict(
            _(
                "These runs were judged on different held-out comparisons, so their accuracies"
                " cannot be compared."
            ),
            apart,
            "refused",
        )
    if not is_measured(reference.held_out):
        prompts = reference.held_out["prompts"]
        headline = ngettext(
            "%(prompts)s held-out prompt is too few to tell which run is better.",
            "%(prompts)s held-out prompts are too few to tell which run is better.",
            prompts,
        )
        return Verdict(headline % {"prompts": prompts}, apart, "refused")
    best = max(together, key=lambda one: one.accuracy)
    others = sorted((o for o in together if o is not best), key=lambda one: -one.accuracy)
    leads = list(zip(others, gains_over(best, others), strict=True))
    beaten = [one for one, lead in leads if lead.is_below_zero]
    level = [one for one, lead in leads if not lead.is_below_zero]
    details = [
        _("%(run)s orders %(share)s as people did.")
        % {"run": capfirst(best.name), "share": share_of(best.held_out)}
    ]
    if len(leads) > 1:
        details += [f"{capfirst(ahead_of(_('it'), one, lead))}." for one, lead in leads]
    words = headline_of(best, beaten, level)
    if all(lead.is_nothing for _one, lead in leads):
        words = _("%(runs)s do equally well on every held-out prompt") % {
            "runs": capfirst(names_of(together))
        }
    elif len(leads) == 1:
        [(other, lead)] = leads
        words += f": {ahead_of(best.name, other, lead)}"
    tone = "clear" if beaten else "open"
    return Verdict(f"{words}.", details + apart, tone, notes([lead for _one, lead in leads]))


def notes(leads: Sequence[Gain]) -> list[str]:
    """Return how to read the gains of the other runs over the best one."""
    found = []
    known = [lead for lead in leads if lead.low is not None and not lead.is_nothing]
    if not all(lead.is_below_zero for lead in known):
        found.append(
            _(
                "An interval that includes 0 means that the difference may be chance. More held-out"
                " prompts make it narrower."
            )
        )
    if len(leads) > 1:
        found.append(
            _("Each interval is for one pair of runs, and not corrected for their number.")
        )
    if any(lead.low is None for lead in leads):
        found.append(_("Without a run’s files, there is no interval."))
    return found


def headline_of(
    best: ComparedRun, beaten: Sequence[ComparedRun], level: Sequence[ComparedRun]
) -> str:
    """Return which runs are measurably worse than the best one, and which are not."""
    if not beaten:
        every = sorted([best, *level], key=by_number)
        return _("No difference between %(runs)s can be measured") % {"runs": names_of(every)}
    words = {"best": capfirst(best.name), "beaten": names_of(beaten), "level": names_of(level)}
    if not level:
        return _("%(best)s orders the held-out comparisons better than %(beaten)s") % words
    return (
        _(
            "%(best)s orders the held-out comparisons better than %(beaten)s, but not measurably"
            " better than %(level)s"
        )
        % words
    )


def by_number(one: ComparedRun) -> int:
    return one.run.pk


def names_of(runs: Sequence[ComparedRun]) -> str:
    """Return the names of runs, as in "run 3 and run 5"."""
    return get_text_list([one.name for one in runs], _("and"))


def ahead_of(subject: str, other: ComparedRun, lead: Gain) -> str:
    """Return how far the best run is ahead of another one, given the other's gain over it."""
    words = {"subject": subject, "other": other.name, "lead": points(-lead.value)}
    if lead.is_nothing:
        return _("%(subject)s is level with %(other)s on every held-out prompt") % words
    has_interval = lead.low is not None and lead.high is not None
    if lead.low is not None and lead.high is not None:
        words |= {"low": gain(0 - lead.high), "high": gain(0 - lead.low)}
    is_level = round(lead.value, 3) == 0  # as the page writes it
    if is_level and has_interval:
        sentence = _(
            "%(subject)s is level with %(other)s (95\u00a0%% interval %(low)s to %(high)s)"
        )
    elif is_level:
        sentence = _("%(subject)s is level with %(other)s")
    elif has_interval:
        sentence = _(
            "%(subject)s is %(lead)s points ahead of %(other)s (95\u00a0%% interval %(low)s to"
            " %(high)s)"
        )
    else:
        sentence = _("%(subject)s is %(lead)s points ahead of %(other)s")
    return sentence % words
