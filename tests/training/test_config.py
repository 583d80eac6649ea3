"""Settings check themselves, and the command line is made from them."""

import argparse
import dataclasses
import json

import pytest

from training.config import (
    TrainConfig,
    add_arguments,
    from_arguments,
    option,
    settings_used,
    with_steps,
    with_stopping,
)


def parse(*arguments: str) -> TrainConfig:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return from_arguments(parser.parse_args(arguments))


def test_a_backbone_brings_its_own_defaults():
    scratch = TrainConfig()
    full, lora = (TrainConfig(backbone="pretrained", lora_rank=rank) for rank in (0, 16))
    assert (full.learning_rate, lora.learning_rate) == (None, 1e-4)
    assert (scratch.choose_by, full.choose_by) == ("validation", "validation")
    assert (scratch.epochs, scratch.keep, scratch.patience) == (1, "last", 0)
    assert full.warmup_ratio == 0.1
    assert full.model == "gpt2"
    assert scratch.learning_rate > lora.learning_rate
    assert (scratch.max_prompt_tokens, scratch.max_response_tokens) == (512, 1024)


def test_settings_that_depend_on_a_pretrained_model_are_left_to_it():
    config = TrainConfig(backbone="pretrained")
    names = [name for name, value in config.to_json().items() if value is None]
    assert names == [
        "lora_rank",
        "max_prompt_tokens",
        "max_response_tokens",
        "epochs",
        "rankings_per_step",
        "learning_rate",
        "head_learning_rate",
        "patience",
        "keep",
    ]
    assert not any("None" in argument for argument in config.to_arguments())
    assert parse(*config.to_arguments()) == TrainConfig.from_json(config.to_json()) == config
    scratch = TrainConfig().to_json()
    assert [name for name, value in scratch.items() if value is None] == ["head_learning_rate"]


def test_a_stored_run_of_an_earlier_version_has_one_learning_rate():
    stored = TrainConfig(backbone="pretrained", lora_rank=0, learning_rate=9e-6).to_json()
    del stored["head_learning_rate"], stored["freeze"], stored["choose_by"]
    config = TrainConfig.from_json(stored)
    assert (config.head_learning_rate, config.freeze) == (9e-6, "none")
    assert config.choose_by == "held-out"
    given = {"backbone": "pretrained", "model": "gpt2", "learning_rate": 9e-6}
    assert TrainConfig.from_json(given).head_learning_rate is None


def test_few_rankings_are_seen_often_enough():
    open_config = TrainConfig(backbone="pretrained")

    def decided(sets, config=open_config):
        found = with_steps(config, sets)
        return found.rankings_per_step, found.epochs

    assert decided(1) == (1, 10)
    assert decided(12) == (2, 10)
    assert decided(46) == (7, 9)
    assert decided(48) == (8, 10)
    assert decided(100) == (8, 5)
    assert decided(240) == decided(5000) == (8, 2)
    assert decided(46, TrainConfig(backbone="pretrained", rankings_per_step=16)) == (16, 10)
    assert decided(46, TrainConfig(backbone="pretrained", epochs=1)) == (7, 1)
    for sets in range(6, 2000, 7):
        batch, epochs = decided(sets)
        assert -(-sets // batch) * epochs >= 60


def test_enough_prompts_choose_the_weights():
    open_config = TrainConfig(backbone="pretrained")
    found = {prompts: with_stopping(open_config, prompts) for prompts in (24, 25)}
    assert [(one.patience, one.keep) for one in found.values()] == [(0, "last"), (3, "best")]
    assert found[25].validates
    assert not found[24].validates
    given = with_stopping(TrainConfig(backbone="pretrained", patience=0, keep="last"), 25)
    assert (given.patience, given.keep) == (0, "last")


def test_a_run_that_goes_on_keeps_what_it_decided():
    open_config = TrainConfig(backbone="pretrained")
    begun = with_steps(with_stopping(open_config, 57), 46)
    assert open_config.filled_from(begun) == begun
    assert TrainConfig(backbone="pretrained", epochs=3).filled_from(begun).epochs == 3


def test_only_a_transformer_needs_a_width_that_its_heads_share():
    assert TrainConfig(backbone="rnn", width=65).width == 65
    with pytest.raises(ValueError, match="width must be even"):
        TrainConfig(width=65)


def test_an_optimizer_brings_its_own_learning_rate():
    for backbone, rank in (("transformer", 0), ("rnn", 0), ("pretrained", 16)):
        usual, sgd, rmsprop = (
            TrainConfig(backbone=backbone, optimizer=name, lora_rank=rank).learning_rate
            for name in ("adamw", "sgd", "rmsprop")
        )
        assert rmsprop < usual < sgd
    assert TrainConfig(optimizer="sgd", learning_rate=0.5).learning_rate == 0.5


def test_a_given_value_beats_the_backbones():
    assert TrainConfig(backbone="pretrained", epochs=3).epochs == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"backbone": "cnn"},
            "backbone must be one of auto, features, embedding, transformer, rnn, pretrained, got",
        ),
        ({"epochs": 0}, "epochs must be at least 1 and at most 10,000, got 0"),
        ({"epochs": 1.5}, "epochs must be of type int, got 1.5"),
        ({"epochs": True}, "epochs must be of type int, got True"),
        ({"learning_rate": -1}, "learning_rate must be above 0 and at most 1, got -1.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0 and at most 1, got nan"),
        ({"max_grad_norm": float("inf")}, "max_grad_norm must be above 0, got inf"),
        ({"width": 130}, r"width must be even and a multiple of heads \(4\), got 130"),
        ({"backbone": "pretrained", "model": ""}, "model must be the name or the folder"),
        ({"lora_rank": 4}, "lora_rank is for backbone pretrained, got backbone auto"),
        ({"head_learning_rate": 0.1}, "head_learning_rate is for backbone pretrained, got"),
        ({"freeze": "all"}, "freeze is for backbone pretrained, got backbone"),
        (
            {"backbone": "pretrained", "freeze": "0"},
            "freeze must be none, all or a number of layers from 1 on, got '0'",
        ),
        (
            {"backbone": "pretrained", "freeze": "2", "lora_rank": 4},
            "freeze cannot be combined with LoRA, .* got 2 with lora_rank 4",
        ),
        (
            {"backbone": "rnn", "gradient_checkpointing": "on"},
            "gradient_checkpointing is for backbone pretrained, got backbone rnn",
        ),
        ({"folds": 1}, "folds must be 0 or at least 2, and split below it, got 1 with split 0"),
        ({"folds": 3, "split": 3}, "split below it, got 3 with split 3"),
        (
            {"ties": "davidson", "margin": 1},
            "margin cannot be combined with ties davidson, .* got 1.0",
        ),
        (
            {"loss": "plackett-luce", "ties": "half"},
            "has no ties: ties must be drop, got half",
        ),
        (
            {"loss": "plackett-luce", "margin": 1},
            "margin changes the loss of comparisons, .* got 1.0",
        ),
        (
            {"loss": "plackett-luce", "label_smoothing": 0.1},
            "label_smoothing changes the loss of comparisons",
        ),
        ({"loss": "plackett-luce", "batching": "shuffled"}, "batching must be grouped, got shuf"),
        (
            {"aggregation": "majority", "held_out_by": "labeller"},
            "held_out_by labeller needs the labellers' own rankings: .* got 'majority'",
        ),
        (
            {"aggregation": "most"},
            "aggregation must be one of all, majority, adjudicated, got 'most'",
        ),
        (
            {"uploads": "3, here,3.5"},
            "uploads must be numbers of uploads, here or command, .*'3.5'",
        ),
        ({"optimizer": []}, "optimizer must be one of adam, .*, got "),
        ({"learningrate": 1}, "unknown setting 'learningrate'; known are: backbone, model"),
    ],
)
def test_a_bad_value_is_refused_in_one_line(values, words):
    with pytest.raises(ValueError, match=words) as caught:
        TrainConfig.from_json(values)
    assert "\n" not in str(caught.value)


def test_settings_survive_json():
    config = TrainConfig(ties="half", learning_rate=1e-4)
    assert TrainConfig.from_json(json.dumps(config.to_json())) == config


def test_every_field_is_an_option():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    text = parser.format_help()
    for field in dataclasses.fields(TrainConfig):
        assert f"{option(field.name)} " in text


def test_options_become_settings():
    config = parse("--ties", "half", "--epochs", "3", "--learning-rate", "0.01")
    assert config == TrainConfig(ties="half", epochs=3, learning_rate=0.01)


def test_settings_become_options():
    config = TrainConfig(backbone="pretrained", model="/some folder", seed=7, precision="bf16")
    assert parse(*config.to_arguments()) == config


def test_every_field_says_what_it_is():
    assert all(field.metadata["help"] for field in dataclasses.fields(TrainConfig))


def test_settings_are_known_by_their_earlier_names():
    old = {"verdicts": "majority", "centring": 0.5}
    config = TrainConfig.from_json(old)
    assert (config.aggregation, config.reward_centering) == ("majority", 0.5)
    assert config.to_json()["aggregation"] == "majority"
    assert TrainConfig.from_json(config.to_json()) == config
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    arguments = parser.parse_args(["--verdicts", "majority", "--centring", "0.5"])
    assert from_arguments(arguments) == config


def test_a_linear_model_uses_no_setting_of_the_others():
    linear = settings_used("features", network=False)
    assert {"backbone", "seed", "vocabulary", "held_out_fraction", "device"} <= linear
    assert not {"cell", "epochs", "lora_alpha", "width", "log_every", "network_from"} & linear
    assert settings_used("auto", network=False) == linear | {"network_from"}
    assert {"epochs", "width", "network_from"} <= settings_used("auto", network=True)
    assert "cell" not in settings_used("auto", network=True)


def test_each_setting_is_used_by_some_backbone():
    backbones = ("auto", "transformer", "rnn", "pretrained")
    used = set().union(*(settings_used(name, network=True) for name in backbones))
    assert used == set(TrainConfig().to_json()) == settings_used("", network=False)
    assert "cell" in settings_used("rnn", network=False)
    assert "lora_alpha" not in settings_used("rnn", network=False)
