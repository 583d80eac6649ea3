"""The figures whose difference between two runs has a paired interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labelapp.models.jobs import as_object, is_number


@dataclass(frozen=True)
class Measure:
    """A mean over held-out comparisons: its place in metrics.json and in judgements.jsonl."""

    figure: tuple[str, ...]  # the keys of the mean, under held_out
    total: str  # its sum over the comparisons of a prompt
    comparisons: str  # their number
    lower_is_better: bool = False

    def mean(self, held_out: Mapping[str, Any]) -> float | None:
        """Return the mean over all comparisons, or None where it is not known."""
        *above, last = self.figure
        for name in above:
            held_out = as_object(held_out.get(name))
        found = held_out.get(last)
        return float(found) if is_number(found) else None


ACCURACY = Measure(("accuracy",), "agreed", "comparisons")
NEAR_EQUAL = Measure(("near_equal", "accuracy"), "near_agreed", "near_comparisons")
LOG_LOSS = Measure(("log_loss",), "log_loss", "comparisons", lower_is_better=True)
MEASURES = (ACCURACY, NEAR_EQUAL, LOG_LOSS)
