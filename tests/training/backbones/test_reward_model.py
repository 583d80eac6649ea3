"""A reward model is trained further with its own head and template."""

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from training.backbones.defaults import complete
from training.backbones.pretrained import PretrainedBackbone
from training.config import TrainConfig
from training.runs.folder import RunFolder
from training.train import main


@pytest.fixture(scope="module")
def run(reward_folder, rankings_file, tmp_path_factory):
    folder = RunFolder(tmp_path_factory.mktemp("run") / "run")
    arguments = (
        f"--rankings {rankings_file} --run-folder {folder.path} --backbone pretrained"
        f" --model {reward_folder} --learning-rate 0.003 --epochs 8"
    )
    assert main(arguments.split()) == 0
    return folder


def test_its_head_and_its_template_are_kept(reward_folder):
    config = complete(TrainConfig(backbone="pretrained", model=str(reward_folder)))
    backbone = PretrainedBackbone.create(config, torch.device("cpu"))
    original = AutoModelForSequenceClassification.from_pretrained(reward_folder)
    assert not backbone.head_is_new
    assert torch.equal(backbone.model.score.weight, original.score.weight)
    template = AutoTokenizer.from_pretrained(reward_folder).chat_template
    assert backbone.tokenizer.chat_template == template


def test_the_figures_before_training_stand_beside_those_after_it(run):
    metrics = run.read_metrics()
    before, after = metrics["held_out_before"], metrics["held_out"]
    assert before["comparisons"] == after["comparisons"]
    beside = after["baselines"]["before_training"]
    assert beside["accuracy"] == pytest.approx(before["accuracy"])
    assert beside["gain"] == pytest.approx(after["accuracy"] - before["accuracy"], abs=1e-6)
    assert after["loss"] < before["loss"]
    assert "| before training |" in (run.path / "report.md").read_text()
    assert "before training" in (run.model / "README.md").read_text()
    assert run.read_manifest()["head"] == "loaded"


def test_a_new_head_has_no_figures_before_training(gpt2_folder, rankings_file, tmp_path):
    folder = RunFolder(tmp_path / "run")
    arguments = (
        f"--rankings {rankings_file} --run-folder {folder.path} --backbone pretrained"
        f" --model {gpt2_folder} --epochs 1"
    )
    assert main(arguments.split()) == 0
    metrics = folder.read_metrics()
    assert "held_out_before" not in metrics
    assert "before_training" not in metrics["held_out"]["baselines"]
    assert folder.read_manifest()["head"] == "new"
