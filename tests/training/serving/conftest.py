"""A small run, and the service of its model."""

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from training import score, train
from training.data.file import FileSource
from training.runs.folder import RunFolder
from training.serving.application import Service, Settings
from training.serving.batcher import Batcher
from training.serving.metrics import Metrics
from training.serving.model import ServedModel
from training.serving.store import OneModel, Served

SMALL = ("--backbone", "transformer", "--width", "32", "--vocabulary", "400", "--epochs", "2")


@pytest.fixture(scope="session")
def served_run(rankings_file: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that learned ties, with the scores of the responses that it learned from."""
    folder = tmp_path_factory.mktemp("served") / "run"
    options = ["--rankings", str(rankings_file), "--run-folder", str(folder), *SMALL]
    limits = ["--max-prompt-tokens", "64", "--max-response-tokens", "64", "--ties", "davidson"]
    assert train.main([*options, *limits]) == 0
    assert score.main(["--run-folder", str(folder), "--responses", str(rankings_file)]) == 0
    return RunFolder(folder)


@pytest.fixture(scope="module")
def model(served_run):
    return ServedModel.load(served_run.path, "cpu")


@pytest.fixture
def serve(model):
    """Serve with settings, and return the client."""
    started = []

    def serve(model=model, **settings):
        metrics = Metrics()
        batcher = Batcher(
            model.rewards, most_tokens=4096, most_waiting=4096, on_batch=metrics.batch
        )
        batcher.start()
        started.append(batcher)
        service = Service(OneModel(Served(model, batcher)), Settings(**settings), metrics)
        return TestClient(service.application(), raise_server_exceptions=False)

    yield serve
    for batcher in started:
        batcher.stop()


@pytest.fixture
def client(serve):
    return serve()


@pytest.fixture(scope="module")
def known(served_run, rankings_file):
    """Prompts and responses with the rewards that were stored when they were scored."""
    scores = iter(
        json.loads(line)["score"]
        for line in (served_run.path / "scores-of-rankings.jsonl").read_text().splitlines()
    )
    return [
        (
            line.messages[0]["content"],
            [(response.text, next(scores)) for response in line.responses],
        )
        for line in FileSource(rankings_file).lines(rankings=False)
    ]


@pytest.fixture(scope="module")
def one(known):
    """A prompt, its responses and their rewards."""
    prompt, responses = known[0]
    return prompt, [text for text, _ in responses], [reward for _, reward in responses]


@pytest.fixture(scope="session")
def much_held_out(rankings_file, tmp_path_factory):
    """A run with at least ten held-out prompts; the model of the other tests has two."""
    folder = RunFolder(tmp_path_factory.mktemp("much") / "run")
    options = ["--rankings", str(rankings_file), "--run-folder", str(folder.path), *SMALL]
    assert train.main([*options, "--held-out-fraction", "0.8"]) == 0
    return folder
