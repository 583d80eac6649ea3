"""Runs that are started with a model so small that it trains in seconds."""

from typing import Any

from labelapp.models import Project, TrainingRun
from labelapp.runs import lifecycle
from training.config import TrainConfig

URL = "/projects/kitchen/runs/"
TINY: dict[str, Any] = {
    "backbone": "transformer", "layers": 1, "width": 16, "heads": 2, "vocabulary": 300,
    "epochs": 1, "device": "cpu",
}  # fmt: skip
FORM = {
    "backbone": "transformer",
    "aggregation": "majority",
    "ties": "half",
    "epochs": "3",
    "seed": "7",
}


def start(project: Project, **settings: Any) -> TrainingRun:
    return lifecycle.start(project=project, config=TrainConfig(**TINY | settings))
