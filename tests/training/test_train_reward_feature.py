"""Runs that take the score of a reward model as one more feature."""

import random

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast, Qwen2Config

from tests.training.tiny import write_rankings
from training.backbones.choose import load_backbone
from training.runs.folder import RunFolder
from training.score import main as score
from training.train import main

ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
SPECIAL = ["<|end|>", "<|pad|>"]
CONSONANTS = "bcdfghjklmnpqrstvwxz"


def save_counting_model(folder):
    """Save a reward model whose score grows with the share of "e" among the letters, over "o".

    Its layer attends to all tokens alike, and writes their mean into the last one.
    """
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *ALPHABET])}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    end, pad = SPECIAL
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=end, pad_token=pad)
    config = Qwen2Config(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=512, num_labels=1,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    model = AutoModelForSequenceClassification.from_config(config)
    for name, weight in model.named_parameters():
        weight.data.fill_(1.0 if "norm" in name else 0.0)
    embedding, layer = model.model.embed_tokens.weight.data, model.model.layers[0].self_attn
    embedding[:, 0] = 1.0
    embedding[vocabulary["e"], 1], embedding[vocabulary["o"], 1] = 1.0, -1.0
    layer.v_proj.weight.data[0, 1] = 1.0
    layer.o_proj.weight.data[2, 0] = 1.0
    model.score.weight.data[0, 2] = 1.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def rankings_by_letters(prompts):
    """Rankings by how much more often "e" stands in a response than "o".

    Hardly a word is in two responses.
    """
    chance = random.Random(0)

    def word(letters):
        return "".join(chance.choice(CONSONANTS) + chance.choice(letters) for _ in range(4))

    lines = []
    for number in range(prompts):
        responses = []
        for name in "abcd":
            share = chance.random()
            letters = ["e" if chance.random() < share else "o" for _ in range(8)]
            text = " ".join(word(letters) for _ in range(9))
            responses.append({"id": name, "text": text})
        worth = {one["id"]: one["text"].count("e") - one["text"].count("o") for one in responses}
        levels = sorted(set(worth.values()), reverse=True)
        ranking = [[name for name, value in worth.items() if value == level] for level in levels]
        prompt = f"Words, number {number}."
        lines.append({"prompt": prompt, "responses": responses, "ranking": ranking})
    return lines


def train(rankings, folder, *more):
    common = ["--held-out-fraction", "0.3", "--vocabulary", "400"]
    assert main(["--rankings", str(rankings), "--run-folder", str(folder), *common, *more]) == 0
    return RunFolder(folder)


@pytest.fixture(scope="module")
def rankings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("letters")
    return write_rankings(folder / "rankings.jsonl", rankings_by_letters(60))


@pytest.fixture(scope="module")
def counting_model(tmp_path_factory):
    return save_counting_model(tmp_path_factory.mktemp("counting"))


@pytest.fixture(scope="module")
def helped(rankings, counting_model, tmp_path_factory):
    more = ("--reward-feature", str(counting_model), "--backbone-license", "MIT")
    return train(rankings, tmp_path_factory.mktemp("helped") / "run", *more)


def test_a_score_that_knows_more_than_the_features_is_chosen_and_better(helped, rankings, tmp_path):
    found = helped.read_metrics()
    assert "scored" in found["choice"]["chosen"]
    without = [one for one in found["choice"]["candidates"] if "scored" not in one["parts"]]
    assert len(without) == len(found["choice"]["candidates"]) / 2
    assert min(one["gain_low"] for one in without) > 0
    plain = train(rankings, tmp_path / "plain").read_metrics()["held_out"]
    assert found["held_out"]["accuracy_low"] > plain["accuracy_high"]


def test_the_report_has_the_accuracy_of_the_reward_model_alone(helped):
    held_out = helped.read_metrics()["held_out"]
    alone = held_out["baselines"]["reward_model"]
    assert alone["accuracy"] > 0.9
    assert alone["gain"] == pytest.approx(held_out["accuracy"] - alone["accuracy"])
    report = (helped.path / "report.md").read_text()
    assert "and the score of a reward model, chosen by cross-validation over" in report
    assert "| the reward model alone |" in report


def test_the_saved_folder_has_the_reward_model_in_it(helped, counting_model):
    assert str(counting_model) not in (helped.model / "config.json").read_text()
    backbone = load_backbone(helped.model, helped.read_config(), torch.device("cpu"))
    assert backbone.model.scorer is not None
    card = (helped.model / "README.md").read_text()
    assert "The model contains a frozen reward model with its tokenizer: MIT." in card


def test_it_scores_a_file(helped, rankings, tmp_path):
    scores = tmp_path / "scores.jsonl"
    arguments = ["--run-folder", str(helped.path), "--responses", str(rankings)]
    assert score([*arguments, "--output", str(scores)]) == 0
    assert len(scores.read_text().splitlines()) == 4 * 60


def test_a_score_that_tells_nothing_is_left_out(reward_folder, rankings_file, tmp_path):
    """Random weights; the accuracy of the reward model alone is told nevertheless."""
    run = train(rankings_file, tmp_path / "run", "--reward-feature", str(reward_folder))
    metrics = run.read_metrics()
    assert "scored" not in metrics["choice"]["chosen"]
    assert "reward_model" in metrics["held_out"]["baselines"]
    backbone = load_backbone(run.model, run.read_config(), torch.device("cpu"))
    assert backbone.model.scorer is None
    assert "frozen reward model" not in (run.model / "README.md").read_text()


def test_the_network_learns_beside_it(rankings, counting_model, tmp_path):
    more = ("--reward-feature", str(counting_model), "--network-from", "10", "--max-steps", "2")
    run = train(rankings, tmp_path / "run", "--backbone", "auto", "--width", "32", *more)
    assert run.read_metrics()["steps"] == 2
    assert "scored" in run.read_metrics()["choice"]["chosen"]


def test_a_network_cannot_take_it(rankings, counting_model, tmp_path, capsys):
    arguments = ["--rankings", str(rankings), "--run-folder", str(tmp_path / "run")]
    more = ["--backbone", "transformer", "--reward-feature", str(counting_model)]
    assert main([*arguments, *more]) != 0
    assert "for backbone auto, features or embedding" in capsys.readouterr().err
