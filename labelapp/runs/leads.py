"""A run against its baselines: its lead over the better one, and what that says in a few words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labelapp.models.jobs import as_object, is_number
from labelapp.runs.paired_bootstrap import Gain
from labelapp.runs.run_verdict import GRADES, better_baseline, judgement
from training.runs.caveats import is_measured

BASELINE_NAMES = {
    "longer_wins": gettext_lazy("the longer response"),
    "word_counts": gettext_lazy("counting words"),
    "before_training": gettext_lazy("itself before training"),
    "reward_model": gettext_lazy("the reward model alone"),
}
BEST_FIRST = tuple(GRADES)
TONES = {"clear": "better", "open": "unknown", "refused": "worse"}


@dataclass(frozen=True)
class Lead:
    """A run's lead over its most accurate baseline."""

    baseline: str
    accuracy: float  # of the baseline
    gain: Gain

    @property
    def over(self) -> str:
        """Return the baseline in words."""
        return str(BASELINE_NAMES.get(self.baseline, self.baseline))

    @property
    def tone(self) -> str:
        return self.gain.tone


@dataclass(frozen=True)
class ShortVerdict:
    """Say in a few words what a run's figures show; the best verdict has the lowest place."""

    place: int
    words: str
    reason: str
    tone: str  # better, worse or unknown


def best_baseline(baselines: object) -> Lead | None:
    """Return the lead over the most accurate of the stored baselines, if there is one."""
    known = {
        name: found
        for name, found in as_object(baselines).items()
        if is_number(as_object(found).get("accuracy")) and is_number(found.get("gain"))
    }
    if not known:
        return None
    name = max(known, key=lambda baseline: known[baseline]["accuracy"])
    found = known[name]
    low, high = found.get("gain_low"), found.get("gain_high")
    has_interval = is_number(low) and is_number(high)
    gain = Gain(found["gain"], low if has_interval else None, high if has_interval else None)
    return Lead(name, found["accuracy"], gain)


def verdict(held_out: Mapping[str, Any]) -> ShortVerdict | None:
    """Return the verdict of the run's page in a few words, or None where there is none."""
    figures = dict(held_out)
    baseline = better_baseline(figures)
    if baseline is None or not is_number(figures.get("accuracy")):
        return None
    if not is_measured(figures):
        return ShortVerdict(
            len(BEST_FIRST), _("Not known"), _("too few held-out prompts"), "unknown"
        )
    found = judgement(figures, baseline)
    place = BEST_FIRST.index(found.grade)
    return ShortVerdict(place, str(GRADES[found.grade]), found.reason, TONES[found.tone])
