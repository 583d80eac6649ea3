"""A reward model inside a model reads what it would read by itself, and reads it once."""

from dataclasses import replace

import pytest
import torch

from tests.training.tiny import TEXTS, save_pretrained_folder, save_reward_folder
from training.backbones.choose import load_backbone
from training.backbones.embedding_cache import remember_embeddings
from training.backbones.encoders import load_reward_model
from training.backbones.lastlayer import texts_of
from training.backbones.pretrained import PretrainedBackbone
from training.backbones.scorer import Scorer
from training.backbones.scratch import ScratchBackbone
from training.config import TrainConfig
from training.data.encoder import TextEncoder
from training.data.examples import Example
from training.errors import UserError

CPU = torch.device("cpu")
CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello <|endoftext|> there"},
    {"role": "assistant", "content": " A good day. "},
    {"role": "user", "content": "Why is the sky blue?"},
]
RESPONSES = ["Air scatters it.", "<|pad|>", "Because the quick brown fox jumps."]


@pytest.fixture
def backbone(reward_folder):
    config = TrainConfig(backbone="features", reward_feature=str(reward_folder), vocabulary=400)
    return ScratchBackbone.create(config, iter(TEXTS), CPU)


def encoded(backbone, messages=CONVERSATION, responses=RESPONSES):
    encoder = TextEncoder(backbone.tokenizer, max_prompt_tokens=100, max_response_tokens=100)
    return Example(encoder.prompt(messages), encoder.responses(responses))


def scores(backbone, example):
    asked, answers = texts_of(backbone.model.vocabulary, example.prompt, example.responses)
    return backbone.model.scorer([asked] * len(answers), answers).flatten()


def alone(folder, pooling="auto"):
    config = TrainConfig(
        backbone="pretrained", model=str(folder), lora_rank=0, pooling=pooling,
        max_prompt_tokens=60, max_response_tokens=60,
    )  # fmt: skip
    return PretrainedBackbone.create(config, CPU)


def test_its_score_is_the_reward_of_the_model_alone(backbone, reward_folder):
    reward_model = alone(reward_folder)
    with torch.no_grad():
        expected = reward_model.rewards([encoded(reward_model)])[0]
    torch.testing.assert_close(scores(backbone, encoded(backbone)), expected)


def test_a_model_of_a_run_that_pools_is_read_as_well(reward_folder, tmp_path):
    pooled = alone(reward_folder, pooling="mean")
    pooled.save(tmp_path / "pooled")
    config = TrainConfig(backbone="features", reward_feature=str(tmp_path / "pooled"))
    backbone = ScratchBackbone.create(replace(config, vocabulary=400), iter(TEXTS), CPU)
    with torch.no_grad():
        expected = pooled.rewards([encoded(pooled)])[0]
    torch.testing.assert_close(scores(backbone, encoded(backbone)), expected)
    backbone.save(tmp_path / "saved")
    again = load_backbone(tmp_path / "saved", TrainConfig(), CPU)
    torch.testing.assert_close(scores(again, encoded(again)), expected)


def test_a_long_conversation_keeps_its_end(reward_folder):
    model, tokenizer, _ = load_reward_model(str(reward_folder))
    scorer = Scorer.of(model, tokenizer, 20)
    whole = Scorer.of(model, tokenizer, 128).tokens([("user", "one two " * 9)], "short")
    assert scorer.tokens([("user", "one two " * 9)], "short") == whole[-20:]
    cut = scorer.tokens([("user", "one")], "word " * 50)
    assert len(cut) <= 20
    assert cut[-1] == tokenizer.eos_token_id


def test_roles_that_the_template_refuses_become_one_message(tmp_path):
    folder = save_reward_folder(tmp_path)
    model, tokenizer, most = load_reward_model(str(folder))
    tokenizer.chat_template = (
        "{%- if messages | length > 1 -%}{{- raise_exception('one at a time') -}}{%- endif -%}"
        "{{- '[' + messages[0]['content'] + ']' -}}"
    )
    scorer = Scorer.of(model, tokenizer, most)
    turns = [("user", "one"), ("assistant", "two")]
    assert scorer.tokens(turns, "three") == scorer.tokens([("user", "one\n\ntwo")], "three")


def test_each_conversation_is_read_once(backbone, tmp_path):
    example = encoded(backbone)
    plain = scores(backbone, example)
    remember_embeddings(backbone, tmp_path)
    torch.testing.assert_close(scores(backbone, example), plain)
    backbone.model.scorer.model.score.weight.data.zero_()
    torch.testing.assert_close(scores(backbone, example), plain)
    other = encoded(backbone, CONVERSATION[3:])
    assert scores(backbone, other).tolist() == [0, 0, 0]  # the prompt belongs to it


def test_its_weights_are_not_trained(backbone):
    assert not any(weight.requires_grad for weight in backbone.model.parameters())


def test_a_model_without_a_head_is_refused(tmp_path):
    folder = save_pretrained_folder(tmp_path, "gpt2")
    with pytest.raises(UserError, match="is not a reward model: its files have no head"):
        load_reward_model(str(folder))
