"""A finished run with figures, and its pages as text."""

import html
import re
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from labelapp.models import Member, Project, State, TrainingRun
from tests.conftest import sign_in
from training.config import TrainConfig

RUNS = "/projects/kitchen/runs/"
STEPS = 40


def beside(accuracy: float, gain: float, low: float, high: float) -> dict[str, float]:
    return {"accuracy": accuracy, "gain": gain, "gain_low": low, "gain_high": high}


def figures(**changed: Any) -> dict[str, Any]:
    """The figures of a model that is better than its baselines."""
    near = {"accuracy": 0.718, "accuracy_low": 0.68, "accuracy_high": 0.75, "comparisons": 1200}
    return {
        "prompts": 201, "rankings": 400, "comparisons": 3480, "accuracy": 0.761,
        "accuracy_low": 0.733, "accuracy_high": 0.788, "loss": 0.512, "longer_wins": 0.637,
        "near_equal": near,
        "baselines": {
            "longer_wins": beside(0.637, 0.124, 0.09, 0.15),
            "word_counts": beside(0.662, 0.099, 0.07, 0.127)
            | {"accuracy_low": 0.63, "accuracy_high": 0.695,
               "near_equal": beside(0.554, 0.164, 0.11, 0.2)},
        },
        "calibration": {
            "ece": 0.017,
            "bins": [{"low": 0.5, "high": 0.55, "comparisons": 7, "confidence": 0.52,
                      "accuracy": 0.571}, {"low": 0.55, "high": 0.6, "comparisons": 0}],
        },
    } | changed  # fmt: skip


def text_of(page: str) -> str:
    """The words of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def get(member: Member, run: TrainingRun, path: str = "") -> str:
    answer = sign_in(member).get(f"{RUNS}{run.pk}/{path}")
    assert answer.status_code == 200
    return str(answer.content.decode())


AddRun = Callable[..., TrainingRun]


def verdict_of(page: str) -> str:
    [found] = re.findall(r'id="verdict-title">(.*?)</h2>', page)
    return html.unescape(found)


def finished(project: Project, seconds: float, **fields: Any) -> TrainingRun:
    """Store a finished run of 100 rankings of 1,000 tokens altogether."""
    config = TrainConfig(**fields.pop("config", {})).to_json()
    manifest = {"chosen": 100, "tokens": 1000, "train_rankings": 85}
    return TrainingRun.objects.create(
        project=project, state=State.DONE, finished_at=timezone.now(), config=config,
        manifest=manifest, metrics={"seconds": seconds, **fields},
    )  # fmt: skip


def settings_shown(page: str) -> dict[str, str]:
    """The HTML of each setting of the form, by its name."""
    parts = re.split(r'<div class="setting ', page)[1:]
    names = [re.search(r'name="(\w+)"', part) for part in parts]
    return {name.group(1): part for name, part in zip(names, parts, strict=True) if name}
