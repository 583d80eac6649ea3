"""A run against its baselines: its lead over the better one, and what that says in a few words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labelapp.models.jobs import as_object
from labelapp.runs.paired_bootstrap import Gain
from training.runs.caveats import caveats, is_measured

BASELINE_NAMES = {
    "longer_wins": "the longer response",
    "word_counts": "counting words",
    "before_training": "itself before training",
}


@dataclass(frozen=True)
class Lead:
    """A run's lead over its most accurate baseline."""

    baseline: str
    accuracy: float  # of the baseline
    gain: Gain

    @property
    def over(self) -> str:
        """Return the baseline in words."""
        return BASELINE_NAMES.get(self.baseline, self.baseline)

    @property
    def tone(self) -> str:
        if self.gain.is_above_zero:
            return "better"
        return "worse" if self.gain.is_below_zero else ""


@dataclass(frozen=True)
class Verdict:
    """What the figures say of a run in a few words; the best verdict has the lowest place."""

    place: int
    words: str
    tone: str = ""  # better, worse or ""


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


def verdict(held_out: Mapping[str, Any]) -> Verdict | None:
    """Return what the held-out figures say of a run, or None without figures."""
    baselines = as_object(held_out.get("baselines"))
    if not held_out or (not baselines and is_measured(held_out)):
        return None
    found = {caveat.name: caveat.values for caveat in reversed(caveats({"held_out": held_out}))}
    if "few_prompts" in found:
        return Verdict(3, "Too few held-out prompts", "unknown")
    if "not_better" in found:
        return Verdict(2, f"Not better than {named(found['not_better'])}", "worse")
    if "not_measurably_better" in found:
        over = named(found["not_measurably_better"])
        return Verdict(1, f"Not measurably better than {over}", "unknown")
    return Verdict(0, "Better than the baselines", "better")


def named(values: Mapping[str, Any]) -> str:
    """Return the baseline of a caveat in words."""
    return BASELINE_NAMES.get(values["baseline"], values["baseline"])


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
