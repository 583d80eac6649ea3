"""Store the scores of a run, as a worker does."""

from itertools import starmap
from pathlib import Path

from labelapp.models import Prompt, TrainingRun
from labelapp.runs import scores
from training.runs.folder import RunFolder, ScoredResponse

URL = "/projects/kitchen/reviewing/"


def score(run: TrainingRun, path: Path, rewards: dict[int, float]) -> None:
    folder = RunFolder(path)
    folder.start()
    folder.write_scores(starmap(ScoredResponse, rewards.items()))
    scores.store(run, folder)


def score_in_order(run: TrainingRun, path: Path, prompt: Prompt, *rewards: float) -> None:
    pks = prompt.responses.order_by("pk").values_list("pk", flat=True)
    score(run, path, dict(zip(pks, rewards, strict=True)))
