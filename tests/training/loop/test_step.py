"""An optimiser step follows its settings."""

import weakref
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist

from tests.training.backbones.equality import elements_of
from tests.training.tiny import random_examples, scratch_backbone
from training.config import TrainConfig
from training.distributed.device import Device
from training.distributed.processes import ProcessGroup
from training.loop.state import TrainState
from training.loop.step import Learner, train_step


def step(learning_rate=0.01, **settings):
    """(weights before, weights after, the optimiser) of one step on three rankings."""
    backbone = scratch_backbone()
    config = TrainConfig(device="cpu", **settings)
    examples = random_examples(backbone)
    ranks = [tuple(range(1, len(example.responses) + 1)) for example in examples]
    elements = elements_of(examples, ranks)
    before = weights(backbone)
    learner = Learner.create(backbone, config, Device.choose(config))
    state = TrainState(config.tokens_per_batch)
    stats, norm = train_step(learner, elements, state, learning_rate, config.max_grad_norm, print)
    assert (stats.elements, stats.rankings, stats.loss > 0) == (3, 3, True)
    assert norm > 0
    return before, weights(backbone), learner.optimizer


def weights(backbone):
    return {name: w.detach().clone() for name, w in backbone.model.named_parameters()}


def moved(before, after):
    return {name: float((after[name] - before[name]).abs().max()) for name in before}


def test_the_step_has_the_rate_of_the_schedule():
    # Adam's first step moves a weight by the rate, whatever the size of its gradient.
    for rate in (0.01, 0.001):
        farthest = max(moved(*step(rate, weight_decay=0.0)[:2]).values())
        assert farthest == pytest.approx(rate, rel=0.01)
    assert set(moved(*step(0.0)[:2]).values()) == {0.0}


def test_long_gradients_are_shortened():
    """Adam forgets the length of its first gradient but for epsilon, so its memory is looked at."""
    for most in (0.001, 0.01):
        optimizer = step(max_grad_norm=most)[2]
        first = [state["exp_avg"] for state in optimizer.state_dict()["state"].values()]
        length = float(torch.sqrt(sum((average**2).sum() for average in first)))
        assert length == pytest.approx(0.1 * most, rel=0.01)  # (1 - beta1) of the gradient


def test_matrices_decay_and_biases_and_norms_do_not():
    plain, decayed = (step(weight_decay=decay)[1] for decay in (0.0, 0.5))
    for name, weight in plain.items():
        same = torch.equal(weight, decayed[name])
        assert same is (weight.dim() < 2 or not weight.any()), name


def test_adam_has_the_betas_of_the_settings():
    optimizer = step(beta1=0.8, beta2=0.9)[2]
    assert {group["betas"] for group in optimizer.param_groups} == {(0.8, 0.9)}


def test_nothing_holds_the_process_group_once_the_training_is_over():
    """Where a replica did, one of ten runs never ended on a busy machine."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        config = TrainConfig(device="cpu")
        device = replace(Device.choose(config), group=ProcessGroup(count=2))
        learner = Learner.create(scratch_backbone(), config, device)
        replica = weakref.ref(learner.losses.reducer)
        learner = learner.after_training()
        assert replica() is None
        assert learner.losses.backbone is learner.backbone
    finally:
        dist.destroy_process_group()
