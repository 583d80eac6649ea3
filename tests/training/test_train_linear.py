"""Runs of linear parts, chosen by cross-validation, and of embeddings."""

import pytest
import torch

from tests.training.tiny import ranking_lines, write_rankings
from tests.training.whole_runs import train
from training.backbones.choose import load_backbone
from training.runs.folder import RunFolder
from training.train import main


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    """A run as it is by default: linear parts alone, because the rankings are few."""
    folder = tmp_path_factory.mktemp("chosen")
    rankings = write_rankings(folder / "rankings.jsonl", ranking_lines(40))
    run = RunFolder(folder / "run")
    assert main(["--rankings", str(rankings), "--run-folder", str(run.path)]) == 0
    return run


def test_by_default_a_linear_model_is_chosen_and_takes_no_steps(chosen):
    metrics = chosen.read_metrics()
    assert metrics["steps"] == 0
    assert metrics["train"]["loss"] is None
    assert metrics["choice"]["chosen"] == ["named", "words"]
    assert metrics["choice"]["network"] is None
    assert metrics["held_out"]["accuracy"] > 0.8
    assert chosen.read_progress().state == "done"


def test_what_was_chosen_stands_first_but_for_what_limits_the_figures(chosen):
    report = (chosen.path / "report.md").read_text()
    prompts = chosen.read_metrics()["choice"]["prompts"]
    words = "A linear model of features and words, chosen by cross-validation over"
    assert f"## The model\n\n{words} {prompts} training prompts." in report
    assert report.index(words) < report.index("## On held-out prompts")
    assert "| features and words |" in report
    assert "No encoder was tried." in report
    assert "as a linear model" in (chosen.model / "README.md").read_text()


def test_the_model_that_was_chosen_is_loaded_and_scores(chosen, tmp_path):
    config = chosen.read_config()
    backbone = load_backbone(chosen.model, config, torch.device("cpu"))
    assert type(backbone.model).__name__ == "PodiumFeaturesForSequenceClassification"
    assert backbone.model.network is None
    assert backbone.model.embedder is None


def test_ties_can_be_learned_beside_linear_parts(tmp_path):
    rankings = write_rankings(tmp_path / "rankings.jsonl", ranking_lines(40))
    run = train(rankings, tmp_path / "run", "--backbone", "auto", "--ties", "davidson")
    assert run.read_metrics()["steps"] > 0
    assert run.read_metrics()["davidson_nu"] > 0


def test_an_embedding_backbone_has_its_encoder(rankings_file, encoder_folder, tmp_path):
    """Random embeddings may help or not: who asks for them gets them."""
    more = ("--backbone", "embedding", "--model", str(encoder_folder), "--baseline", "off")
    run = train(rankings_file, tmp_path / "run", *more)
    choice = run.read_metrics()["choice"]
    assert all("embedded" in each["parts"] for each in choice["candidates"])
    report = (run.path / "report.md").read_text()
    assert "embeddings" in report
    assert "No encoder was tried." not in report
    assert str(encoder_folder) not in (run.model / "config.json").read_text()
    assert load_backbone(run.model, run.read_config(), torch.device("cpu")).model.embedder


@pytest.mark.parametrize("prompts", [2, 3])
def test_a_project_may_have_hardly_any_prompts(tmp_path, prompts):
    rankings = write_rankings(tmp_path / "rankings.jsonl", ranking_lines(prompts))
    run = train(rankings, tmp_path / "run", "--backbone", "auto", "--held-out-fraction", "0.5")
    assert f"over {prompts - 1} training prompt" in (run.path / "report.md").read_text()
