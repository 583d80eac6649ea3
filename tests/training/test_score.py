"""Scoring a project's responses with a run's model."""

import random

import pytest
from django.db import connection

from labelapp.jobs.environment import database_url
from labelapp.models import Response
from tests.training.tiny import random_examples, scratch_backbone
from training import score, train
from training.config import TrainConfig
from training.distributed.device import Device
from training.evaluation import inference
from training.evaluation.inference import compute_rewards, split_up
from training.runs.folder import RunFolder

SMALL = [
    *(
        "--backbone",
        "transformer",
        "--width",
        "32",
        "--layers",
        "1",
        "--vocabulary",
        "400",
        "--epochs",
        "2",
    ),
    *("--held-out-fraction", "0.3", "--tokens-per-batch", "256"),
]
CPU = Device.choose(TrainConfig(device="cpu"))


@pytest.fixture
def source(transactional_db, add_prompt, add_ranking, labeller):
    """Command line options for a project with ten ranked prompts and one that nobody ranked."""
    order = random.Random(0)
    for number in range(10):
        ranks = order.sample([1, 2, 3, 4], 4)
        texts = [f"{'good ' * (4 - rank)}answer {number} {rank}" for rank in ranks]
        add_ranking(add_prompt(f"Question {number}?", texts), labeller, ranks)
    add_prompt("Not ranked?", [f"An answer, number {n}." for n in range(30)])
    return ["--project", "kitchen", "--database-url", database_url(connection.settings_dict)]


@pytest.fixture
def run(source, tmp_path):
    folder = tmp_path / "run"
    assert train.main([*source, "--run-folder", str(folder), *SMALL]) == 0
    return RunFolder(folder)


def test_every_response_of_the_project_gets_a_score(source, run):
    assert score.main([*source, "--run-folder", str(run.path)]) == 0
    scores = {score.response: score.reward for score in run.iter_scores()}
    assert list(scores) == list(
        Response.objects.order_by("prompt_id", "pk").values_list("pk", flat=True)
    )
    assert len(scores) == 70
    assert len(set(scores.values())) == 70
    assert run.read_progress().state == "done"
    assert (run.read_progress().step, run.read_progress().steps) == (70, 70)


def test_the_scores_are_those_of_the_model(source, run):
    assert score.main([*source, "--run-folder", str(run.path)]) == 0
    metrics = run.read_metrics()["held_out"]
    held_out = set(run.held_out_prompts())
    rewards = [
        score.reward
        for score in run.iter_scores()
        if Response.objects.get(pk=score.response).prompt_id in held_out
    ]
    assert sum(rewards) / len(rewards) == pytest.approx(metrics["reward_mean"], abs=1e-4)


def test_responses_that_are_equal_after_the_cut_are_known_as_such(source, run, add_prompt):
    begin = "word " * 600
    prompt = add_prompt("Long?", [f"{begin}a.", "Short.", f"{begin}b.", f"{begin}c."])
    assert score.main([*source, "--run-folder", str(run.path)]) == 0
    first, short, *others = prompt.responses.order_by("pk").values_list("pk", flat=True)
    same_as = {one.response: one.same_as for one in run.iter_scores()}
    assert [same_as.pop(pk) for pk in (first, short, *others)] == [None, None, first, first]
    assert set(same_as.values()) == {None}


def test_held_out_prompts_are_named_by_their_ids(source, run):
    held_out = run.held_out_prompts()
    assert held_out
    assert set(held_out) <= set(Response.objects.values_list("prompt_id", flat=True))


def test_scoring_again_replaces_the_scores(source, run):
    for _ in range(2):
        assert score.main([*source, "--run-folder", str(run.path)]) == 0
    assert len(list(run.iter_scores())) == 70


def refusal(capsys, *arguments):
    capsys.readouterr()
    assert score.main([str(argument) for argument in arguments]) == 2
    return capsys.readouterr().err


def test_a_folder_that_is_no_runs_is_refused(capsys, source, tmp_path):
    found = refusal(capsys, *source, "--run-folder", tmp_path)
    assert found.startswith(f"error: {tmp_path} is not the folder of a run")


def test_a_run_without_a_model_is_refused(capsys, source, run):
    (run.model / "config.json").unlink()
    found = refusal(capsys, *source, "--run-folder", run.path)
    assert found.count("\n") == 1
    assert found.startswith(f"error: {run.model} does not hold a trained model")


def test_corrupt_weights_are_refused(capsys, source, run):
    (run.model / "model.safetensors").write_bytes(b"\x00" * 64)
    assert "does not hold a trained model" in refusal(capsys, *source, "--run-folder", run.path)


def test_an_unknown_project_is_refused(capsys, source, run):
    found = refusal(capsys, "--project", "cellar", *source[2:], "--run-folder", run.path)
    assert found == "error: no such project: cellar; there are: kitchen\n"


@pytest.mark.parametrize("budget", [1, 30, 10_000])
@pytest.mark.parametrize("window", [1, 2, 512])
def test_rewards_do_not_depend_on_how_they_are_batched(monkeypatch, budget, window):
    monkeypatch.setattr(inference, "WINDOW", window)
    backbone = scratch_backbone()
    examples = random_examples(backbone)
    expected = backbone.rewards(examples).tolist()
    seen = []
    found = list(compute_rewards(backbone, iter(examples), CPU, budget, seen.append))
    assert [len(row) for row in found] == [3, 2, 4]
    assert sum(seen) == 9
    for row, whole in zip(found, expected, strict=True):
        assert row == pytest.approx(whole[: len(row)], abs=1e-5)


def test_a_prompt_with_many_responses_is_split_up():
    examples = random_examples(scratch_backbone(), sizes=((4, (3,) * 5), (2, (9,))))
    parts = list(split_up(examples, budget=11))
    assert [(last, len(part.responses)) for last, part in parts] == [
        (False, 2),
        (False, 2),
        (True, 1),
        (True, 1),
    ]
