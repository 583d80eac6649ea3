"""Settings that are left out depend on the pretrained model: its size, its positions, its head."""

import pytest
from transformers import LlamaConfig, RobertaConfig

from tests.training.tiny import SIZES
from training.backbones.defaults import complete
from training.config import TrainConfig
from training.errors import UserError


def completed(folder, **settings):
    return complete(TrainConfig(backbone="pretrained", model=str(folder), **settings))


def with_config(folder, config):
    """Return a folder that holds no weights: the defaults need none."""
    config.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (64, 64)),
        ({"max_prompt_tokens": 100}, (100, 28)),
        ({"max_response_tokens": 100}, (28, 100)),
        ({"max_prompt_tokens": 50, "max_response_tokens": 60}, (50, 60)),
    ],
)
def test_limits_that_are_left_out_fit_the_positions(gpt2_folder, given, expected):
    config = completed(gpt2_folder, **given)
    assert (config.max_prompt_tokens, config.max_response_tokens) == expected


def test_positions_behind_the_padding_token_are_not_counted(tmp_path):
    sizes = {key: value for key, value in SIZES.items() if key != "num_key_value_heads"}
    roberta = RobertaConfig(**(sizes | {"max_position_embeddings": 66}), vocab_size=99)
    config = completed(with_config(tmp_path, roberta))
    assert (config.max_prompt_tokens, config.max_response_tokens) == (32, 32)


def test_a_small_model_is_trained_in_full_with_a_faster_head(gpt2_folder):
    config = completed(gpt2_folder)
    assert (config.lora_rank, config.learning_rate) == (0, 5e-5)
    assert config.head_learning_rate == pytest.approx(5e-4)
    assert completed(gpt2_folder, optimizer="sgd").learning_rate == pytest.approx(5e-3)


def test_a_large_model_learns_with_lora(tmp_path):
    large = LlamaConfig(hidden_size=2048, intermediate_size=5632, num_hidden_layers=22)
    folder = with_config(tmp_path, large)
    config = completed(folder)
    assert (config.lora_rank, config.learning_rate, config.head_learning_rate) == (16, 1e-4, 1e-4)
    assert (config.max_prompt_tokens, config.max_response_tokens) == (512, 512)
    assert completed(folder, lora_rank=0).learning_rate == 1e-5
    assert completed(folder, freeze="4").lora_rank == 0


def test_a_loaded_head_learns_as_fast_as_the_rest(reward_folder):
    config = completed(reward_folder)
    assert config.head_learning_rate == config.learning_rate == 5e-5


def test_given_values_are_kept(gpt2_folder):
    config = completed(gpt2_folder, lora_rank=4, learning_rate=0.5, head_learning_rate=0.2)
    assert (config.lora_rank, config.learning_rate, config.head_learning_rate) == (4, 0.5, 0.2)
    assert completed(gpt2_folder, learning_rate=0.5).head_learning_rate == 1


def test_other_backbones_have_nothing_left_to_fill_in():
    assert complete(TrainConfig()) == TrainConfig()


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be loaded"):
        completed(tmp_path)
