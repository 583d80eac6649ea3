"""Rows of earlier versions or made by hand: no page breaks, and none hides the other rows."""

from typing import Any

import pytest
from django.utils import timezone

from labelapp.jobs import files
from labelapp.models import AgreementMeasurement, Export, Member, State, TrainingRun, Upload
from labelapp.runs import process
from tests.conftest import AddPrompt, AddRanking, sign_in
from training.config import TrainConfig

ODD: list[Any] = [
    {},
    [],
    "text",
    7,
    {"model": {}, "seed": None},
    {"held_out": 5, "figures": [1], "counts": 3},
]
ENDED = [State.DONE, State.FAILED, State.STOPPED]
pytestmark = pytest.mark.parametrize("odd", ODD, ids=str)


def ended(state: State) -> dict[str, Any]:
    return {"state": state, "reason": "Gone.", "finished_at": timezone.now()}


def pages(member: Member, *paths: str) -> dict[str, str]:
    client = sign_in(member)
    answers = {path: client.get(f"/projects/kitchen/{path}") for path in paths}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(
        paths, 200
    )
    return {path: answer.content.decode() for path, answer in answers.items()}


def test_an_odd_run_takes_no_page_away(manager: Member, odd: Any) -> None:
    project = manager.project
    good = TrainingRun.objects.create(
        project=project, config=TrainConfig().to_json(), folder="runs/good", **ended(State.DONE)
    )
    runs = [
        TrainingRun.objects.create(
            project=project,
            config=odd,
            manifest=odd,
            metrics=odd,
            folder=f"runs/{n}",
            **ended(state),
        )
        for n, state in enumerate(ENDED)
    ]
    folder = process.run_folder(runs[0])
    folder.path.mkdir(parents=True)
    for line in ({"loss": 0.5}, {"step": "one", "loss": 0.4}, {"step": 3, "loss": 0.3}):
        folder.append_metric_line(line)
    ours = [f"runs/{run.pk}/{part}" for run in runs for part in ("", "progress/", "log/")]
    found = pages(manager, "runs/", "reviewing/", f"reviewing/?run={runs[0].pk}", "", *ours)
    assert f"Run {good.pk}" in found["runs/"]
    assert f"Run {runs[0].pk}" in found["runs/"]


def test_an_odd_measurement_takes_no_page_away(
    manager: Member, labeller: Member, add_prompt: AddPrompt, add_ranking: AddRanking, odd: Any
) -> None:
    add_ranking(add_prompt(), labeller, (1, 2, 3, 4))
    for state in ENDED:
        AgreementMeasurement.objects.create(project=manager.project, result=odd, **ended(state))
        pages(manager, "agreement/", "", "progress/")
        assert AgreementMeasurement.objects.all()[0].agreement is None


def test_an_odd_upload_or_export_takes_no_page_away(manager: Member, odd: Any) -> None:
    project = manager.project
    paths = ["uploads/", "export/"]
    for state in [*ENDED, State.DRAFT, State.REFUSED]:
        values = ended(state) | ({"finished_at": None} if state == State.DRAFT else {})
        fields = {
            "project": project,
            "name": "f",
            "format": "jsonl",
            "options": odd,
            "outcome": odd,
        }
        upload = Upload.objects.create(**fields, **values)
        files.make_folder(upload)
        paths.append(f"uploads/{upload.pk}/")
        if state in ENDED:
            files.make_folder(Export.objects.create(**fields, **values))
    pages(manager, *paths)
