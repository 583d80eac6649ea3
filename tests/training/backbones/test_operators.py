"""Without torch's private operators, the public ones give the same results."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.tiny import pretrained_backbone, random_examples
from training.backbones.onednn import Linear, TransposedLinear

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import json
import torch

GONE = {
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention_for_cpu_backward",
    "_linear_pointwise",
}
namespace = type(torch.ops.aten)
find = namespace.__getattr__

def find_others(self, name):
    if name in GONE:
        raise AttributeError(name)
    return find(self, name)

namespace.__getattr__ = find_others
for operators in (torch.ops.aten, torch.ops.mkldnn):
    for name in GONE & operators.__dict__.keys():
        delattr(operators, name)

from tests.training.backbones.test_operators import compute
print(json.dumps(compute()))
"""


def compute() -> dict[str, object]:
    """Return the operators, the rewards and the gradient norm of a tiny GPT-2."""
    torch.manual_seed(0)
    backbone = pretrained_backbone("gpt2", layout="auto")
    backbone.model.eval()
    rewards = backbone.rewards(random_examples(backbone))
    rewards.square().sum().backward()
    kinds = {type(module) for module in backbone.model.modules()}
    gradients = [weight.grad.norm() for weight in backbone.model.parameters()]
    return {
        "attention": backbone.attention,
        "onednn": bool(kinds & {Linear, TransposedLinear}),
        "rewards": rewards.flatten().tolist(),
        "gradient": float(torch.stack(gradients).norm()),
    }


def test_without_private_operators_the_public_ones_give_the_same_numbers() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    without, here = json.loads(done.stdout.splitlines()[-1]), compute()
    assert (without["attention"], without["onednn"]) == ("dense", False)
    assert here["attention"] == "blocks"
    assert without["rewards"] == pytest.approx(here["rewards"], abs=1e-5)
    assert without["gradient"] == pytest.approx(here["gradient"], rel=1e-4)
