"""Find in metrics.json the caveats that a reader must know before the figures of a run.

Standard library only: the web imports this file, and has the sentences in its own languages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

FEWEST_PROMPTS = 5
"""Held-out prompts that a figure or its interval needs: fewer are not a measurement."""
FEWEST_STEPS = 20
"""Optimiser steps that a pretrained model needs to learn more than a little."""
MAX_LEFT_OUT = 0.05
"""Share of the rankings that may be left out without a warning of its own."""
REASONS = (
    "dropped_rankings",
    "cut_equal_rankings",
    "all_tied",
    "duplicates",
)
"""Counts of the rankings that a run does not use, by reason."""
COUNTS = (
    *REASONS,
    "dropped_prompts",
    "cut_equal_comparisons",
    "folded_prompts",
)

Name = Literal[
    "few_prompts",
    "few_steps",
    "not_better",
    "not_measurably_better",
    "left_out",
    "refused",
    "cut_equal",
    "folded",
]


@dataclass(frozen=True, slots=True)
class Caveat:
    """Name one thing that a reader must know, with its numbers."""

    name: Name
    values: Mapping[str, Any]


def left_out(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry of metrics.json on what was left out, given the counts of a dataset."""
    return {
        "rankings": counts["chosen"] + counts["duplicates"],
        "left_out": sum(counts[name] for name in REASONS),
        **{name: counts[name] for name in COUNTS},
        "refusals": counts["refusals"],
    }


def caveats(metrics: Mapping[str, Any]) -> list[Caveat]:
    """Return the caveats of a finished run, the most important first.

    Metrics of earlier versions may lack some entries, which then give no caveat.
    """
    held_out = metrics.get("held_out") or {}
    return [
        *_few_prompts(held_out),
        *(few_steps(metrics.get("steps", FEWEST_STEPS)) if metrics.get("pretrained") else ()),
        *_not_better(held_out),
        *data_caveats(metrics.get("left_out") or {}),
    ]


def is_measured(held_out: Mapping[str, Any]) -> bool:
    """Return False where too few held-out prompts were evaluated to measure anything."""
    return bool(held_out.get("prompts", FEWEST_PROMPTS) >= FEWEST_PROMPTS)


def _few_prompts(held_out: Mapping[str, Any]) -> Iterator[Caveat]:
    if not is_measured(held_out):
        yield Caveat("few_prompts", {"prompts": held_out["prompts"], "needed": FEWEST_PROMPTS})


def few_steps(steps: int) -> Iterator[Caveat]:
    """Yield a caveat if these are too few optimiser steps for a pretrained model to learn."""
    if steps < FEWEST_STEPS:
        yield Caveat("few_steps", {"steps": steps, "needed": FEWEST_STEPS})


def _not_better(held_out: Mapping[str, Any]) -> Iterator[Caveat]:
    """Yield a caveat for each baseline on which the model's lead is not above zero.

    Where there is an interval, all of it must be above zero.
    """
    for baseline, found in (held_out.get("baselines") or {}).items():
        gain, low = found.get("gain"), found.get("gain_low")
        if gain is None or (gain > 0 and (low is None or low > 0)):
            continue
        name: Name = "not_better" if gain <= 0 else "not_measurably_better"
        values = {
            "baseline": baseline,
            "ours": held_out.get("accuracy"),
            "ours_low": held_out.get("accuracy_low"),
            "ours_high": held_out.get("accuracy_high"),
            "theirs": found.get("accuracy"),
            "theirs_low": found.get("accuracy_low"),
            "theirs_high": found.get("accuracy_high"),
            "gain": gain,
            "gain_low": low,
            "gain_high": found.get("gain_high"),
        }
        yield Caveat(name, values)


def data_caveats(found: Mapping[str, Any]) -> Iterator[Caveat]:
    """Yield the caveats on the rankings of a run, given the entry that `left_out` returns."""
    reason = next(iter(found.get("refusals") or {}), "")
    many = found.get("left_out", 0) > MAX_LEFT_OUT * found.get("rankings", 0)
    if many:
        reasons = {name: found[name] for name in REASONS if found.get(name)}
        yield Caveat(
            "left_out",
            {
                "left_out": found["left_out"],
                "rankings": found["rankings"],
                "share": found["left_out"] / found["rankings"],
                "reasons": reasons,
                "reason": reason,
            },
        )
    elif found.get("dropped_prompts"):
        values = {"prompts": found["dropped_prompts"], "rankings": found["dropped_rankings"]}
        yield Caveat("refused", {**values, "reason": reason})
    if comparisons := found.get("cut_equal_comparisons"):
        yield Caveat(
            "cut_equal", {"comparisons": comparisons, "rankings": found["cut_equal_rankings"]}
        )
    if folded := found.get("folded_prompts"):
        yield Caveat("folded", {"prompts": folded})
