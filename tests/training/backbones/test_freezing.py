"""A frozen model keeps its weights, and its head and last layers learn."""

import re
from dataclasses import replace

import pytest
import torch
from transformers import AlbertConfig, AutoModelForMaskedLM

from tests.training.backbones.test_families import CASES, CAUSAL, ENCODERS, save_folder
from tests.training.tiny import random_examples
from training.backbones.pretrained import PretrainedBackbone
from training.config import TrainConfig
from training.errors import UserError
from training.runs.folder import RunFolder
from training.train import main

CPU = torch.device("cpu")


@pytest.mark.parametrize("freeze", ["all", "1"])
@pytest.mark.parametrize("case", CASES, ids=[*CAUSAL, *ENCODERS])
def test_frozen_weights_of_a_family_stay(case, freeze, tmp_path):
    auto, kind, sizes, layout, _ = case
    config = replace(save_folder(tmp_path, auto, kind, sizes), freeze=freeze)
    backbone = PretrainedBackbone.create(config, CPU)
    assert backbone.layout == layout
    last = {
        name
        for name, _ in backbone.model.named_parameters()
        if re.search(r"\b(layers?|h)\.1\.", name) and freeze == "1"
    }
    assert bool(last) == (freeze == "1")
    trained = {name for name, w in backbone.model.named_parameters() if w.requires_grad}
    assert trained == last | backbone.head
    assert not backbone.model.get_input_embeddings().weight.requires_grad
    backbone.rewards(random_examples(backbone)).square().sum().backward()
    with_gradient = {n for n, w in backbone.model.named_parameters() if w.grad is not None}
    assert with_gradient == trained


def test_layers_that_share_weights_are_not_frozen_one_by_one(tmp_path):
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
    config = save_folder(
        tmp_path, AutoModelForMaskedLM, AlbertConfig, sizes | {"num_hidden_layers": 2}
    )
    with pytest.raises(UserError, match="use --freeze all or none"):
        PretrainedBackbone.create(replace(config, freeze="1"), CPU)


def test_more_layers_than_there_are_is_refused(gpt2_folder):
    limits = {"max_prompt_tokens": 32, "max_response_tokens": 32}
    config = TrainConfig(backbone="pretrained", model=str(gpt2_folder), freeze="3", **limits)
    with pytest.raises(UserError, match="freeze is 3, but the gpt2 model has 2 layers"):
        PretrainedBackbone.create(config, CPU)


def test_a_run_trains_the_head_alone(gpt2_folder, rankings_file, tmp_path, capsys):
    folder = RunFolder(tmp_path / "run")
    arguments = (
        f"--rankings {rankings_file} --run-folder {folder.path} --backbone pretrained"
        f" --model {gpt2_folder} --freeze all --head-learning-rate 0.01 --epochs 1"
        " --rankings-per-step 8"
    )
    assert main(arguments.split()) == 0
    manifest = folder.read_manifest()
    assert (manifest["freeze"], manifest["trained_parameters"]) == ("all", 32)
    said = capsys.readouterr().err
    assert "(32 trained)" in said
    assert "at most 64 of a prompt and 64 of a response" in said
    assert "warning: The run has only 2 optimiser steps" in said
    assert "--freeze" in (folder.model / "README.md").read_text()
