"""Saved models load in a process that does not have Podium."""

import json
import subprocess
import sys

import pytest
import torch

from tests.training.backbones.test_features import KINDS, features_backbone
from tests.training.tiny import SCRATCH, scratch_backbone
from training.data.encoder import TextEncoder
from training.data.examples import Example

PROGRAM = """
import json, sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
rewards = {}
for folder in sys.argv[2:]:
    model = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    text = tokenizer.apply_chat_template(json.loads(sys.argv[1]), tokenize=False)
    batch = tokenizer([text], return_tensors="pt", add_special_tokens=False)
    with torch.no_grad():
        rewards[folder] = model(**batch).logits.item()
print(json.dumps([rewards, "training" in sys.modules]))
"""
PROMPT = [{"role": "user", "content": "Who wrote “Émile”?"}]
TEXT = "Rousseau did, in 1762. \U0001f600\n- Émile"


def test_every_kind_of_model_gives_the_same_reward_elsewhere(
    encoder_folder, reward_folder, tmp_path
):
    """One process loads all of them, since it imports torch and transformers anew."""
    backbones = {kind: scratch_backbone(kind) for kind in SCRATCH}
    backbones |= {kind: features_backbone(kind, encoder_folder, reward_folder) for kind in KINDS}
    expected = {}
    for number, backbone in enumerate(backbones.values()):
        backbone.save(tmp_path / f"model{number}")
        encoder = TextEncoder(backbone.tokenizer, max_prompt_tokens=99, max_response_tokens=99)
        example = Example(encoder.prompt(PROMPT), encoder.responses([TEXT]))
        with torch.no_grad():
            expected[f"model{number}"] = backbone.rewards([example]).item()
    conversation = json.dumps([*PROMPT, {"role": "assistant", "content": TEXT}])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, conversation, *expected],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    rewards, knows_podium = json.loads(done.stdout.splitlines()[-1])
    assert rewards == pytest.approx(expected, abs=1e-4)
    assert len(set(rewards.values())) == len(backbones)
    assert not knows_podium
