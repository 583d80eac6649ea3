"""Training tests keep to one thread: their models are tiny, and it is the quickest for them."""

import pytest
import torch

from tests.training.tiny import (
    save_encoder_folder,
    save_pretrained_folder,
    save_reward_folder,
    write_rankings,
)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def gpt2_folder(tmp_path_factory):
    """A folder as the hub has it for GPT-2: language model weights, no pad token, no template."""
    return save_pretrained_folder(tmp_path_factory.mktemp("gpt2"), "gpt2")


@pytest.fixture(scope="session")
def reward_folder(tmp_path_factory):
    """A folder of a reward model with a chat template, as others publish theirs."""
    return save_reward_folder(tmp_path_factory.mktemp("reward"))


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory):
    return save_encoder_folder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def rankings_file(tmp_path_factory):
    """Fourteen prompts with rankings, ties among them, that can be learned from."""
    return write_rankings(tmp_path_factory.mktemp("data") / "rankings.jsonl.gz")
