"""What a model gets right on each held-out prompt: sums from which any interval can be computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from training.evaluation.evaluate import Evaluation
from training.evaluation.metrics import log_losses


def judgements(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Yield the lines of judgements.jsonl, one for each prompt, explained in docs/training.md."""
    comparisons = evaluation.comparisons
    agreed, near = comparisons["agreed"], comparisons["near"]
    columns = {
        "agreed": agreed,
        "comparisons": 1,
        "log_loss": log_losses(comparisons["margin"].to_numpy()),
        "near_agreed": agreed.where(near, 0.0),
        "near_comparisons": near.astype(int),
    }
    sums = pd.DataFrame(columns).groupby(comparisons["prompt"], observed=True).sum().sort_index()
    for line in sums.reset_index(names="prompt").to_dict("records"):
        yield {str(name): value for name, value in line.items()}
