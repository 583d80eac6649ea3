"""The optimisers, and the learning rate of each step."""

from itertools import pairwise
from typing import get_args

import pytest
import torch
from torch.optim import AdamW, Muon

from tests.training.tiny import backbone_of
from training.config import OptimizerChoice, TrainConfig
from training.loop.loss import RankingLoss
from training.loop.optimizers import (
    OBJECTIVE_RATE,
    hidden_matrices,
    learning_rate_at,
    make_optimizer,
)

EVERY = get_args(OptimizerChoice)


class Learner:
    """A tiny model with an optimiser, and gradients that depend on the number of the step alone."""

    def __init__(self, optimizer, ties="davidson", **settings):
        self.config = TrainConfig(optimizer=optimizer, ties=ties, **settings)
        self.backbone = backbone_of("transformer")
        self.objective = RankingLoss(self.config)
        self.optimizer = make_optimizer(self.backbone, self.objective, self.config)

    def weights(self):
        own = self.objective.state_dict()
        return {k: v.clone() for k, v in [*self.backbone.model.state_dict().items(), *own.items()]}

    def step(self, number, rate=0.01):
        random = torch.Generator().manual_seed(number)
        for weight in [*self.backbone.model.parameters(), *self.objective.parameters()]:
            weight.grad = torch.randn(weight.shape, generator=random)
        self.optimizer.step(rate)


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", EVERY)
def test_every_weight_moves_and_the_same_way_again(name):
    one, other = Learner(name), Learner(name)
    before = one.weights()
    for learner in (one, other):
        learner.step(0)
        learner.step(1)
    assert same(one.weights(), other.weights())
    assert not any(torch.equal(weight, before[key]) for key, weight in one.weights().items())


@pytest.mark.parametrize("name", EVERY)
def test_it_goes_on_where_it_was_saved(name):
    whole, resumed = Learner(name), Learner(name)
    for number in range(4):
        whole.step(number)
    first = Learner(name)
    first.step(0)
    first.step(1)
    resumed.backbone.model.load_state_dict(first.backbone.model.state_dict())
    resumed.objective.load_state_dict(first.objective.state_dict())
    resumed.optimizer.load_state_dict(first.optimizer.state_dict())
    resumed.step(2)
    resumed.step(3)
    assert same(whole.weights(), resumed.weights())


@pytest.mark.parametrize("name", EVERY)
def test_parameters_have_a_number_each(name):
    learner = Learner(name)
    learner.step(0)
    state = learner.optimizer.state_dict()
    numbers = [number for group in state["param_groups"] for number in group["params"]]
    assert sorted(numbers) == list(range(len(learner.weights())))
    assert set(state["state"]) == set(numbers)


@pytest.mark.parametrize("name", EVERY)
def test_matrices_decay_and_biases_and_norms_and_the_objectives_own_do_not(name):
    plain, decayed = (Learner(name, weight_decay=decay) for decay in (0.0, 0.5))
    for learner in (plain, decayed):
        learner.step(0)
        learner.step(1)
    for key, weight in plain.weights().items():
        assert torch.equal(weight, decayed.weights()[key]) is (weight.dim() < 2), key


@pytest.mark.parametrize("name", EVERY)
def test_nothing_moves_at_no_rate(name):
    learner = Learner(name)
    before = learner.weights()
    learner.step(0, rate=0.0)
    assert same(before, learner.weights())


def test_what_the_objective_learns_has_a_rate_of_its_own():
    for backbone_rate in (1e-3, 1e-5):
        learner = Learner("sgd", learning_rate=backbone_rate)
        learner.step(0, rate=backbone_rate / 2)
        # AdamW's first step is as long as its rate, whatever the gradient.
        moved = abs(learner.objective.log_nu.item())
        assert moved == pytest.approx(OBJECTIVE_RATE / 2, rel=1e-4)
    assert len(Learner("sgd", ties="drop").optimizer.parts) == 1


def pretrained_learner(optimizer, **settings):
    """Return an optimiser of a pretrained model with a new head, and the model."""
    backbone = backbone_of("gpt2")
    backbone.head = {"score.weight"}
    settings = {"learning_rate": 0.01} | settings
    config = TrainConfig(backbone="pretrained", lora_rank=0, optimizer=optimizer, **settings)
    return make_optimizer(backbone, RankingLoss(config), config), backbone.model


@pytest.mark.parametrize("name", EVERY)
def test_a_head_may_have_a_learning_rate_of_its_own(name):
    optimizer, model = pretrained_learner(name, learning_rate=0.01, head_learning_rate=0.05)
    head = [group for group in optimizer.param_groups if group["times"] == 5.0]
    [weight] = [weight for group in head for weight in group["params"]]
    assert weight is model.score.weight
    others = [group for group in optimizer.param_groups if group["times"] != 5.0]
    named = {id(weight) for group in [*head, *others] for weight in group["params"]}
    assert len(named) == len(list(model.parameters()))
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step(0.001)
    assert {group["lr"] for group in head} == {0.005}
    assert {group["lr"] for group in others} == {0.001}
    restored, _ = pretrained_learner(name, learning_rate=0.01, head_learning_rate=0.05)
    restored.load_state_dict(optimizer.state_dict())


def test_muon_trains_new_hidden_matrices_at_the_rate_of_the_others():
    backbone = backbone_of("bert", layout="padded")
    backbone.head = {"bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight"}
    config = TrainConfig(
        backbone="pretrained",
        optimizer="muon",
        lora_rank=0,
        learning_rate=0.01,
        head_learning_rate=0.02,
    )
    groups = make_optimizer(backbone, RankingLoss(config), config).param_groups
    sizes = {group["times"]: 0 for group in groups}
    for group in groups:
        sizes[group["times"]] += len(group["params"])
    assert sizes == {1.0: len(list(backbone.model.parameters())) - 2, 2.0: 2}


def test_at_an_equal_rate_the_head_has_no_groups_of_its_own():
    """Checkpoints of earlier versions have these groups."""
    optimizer, model = pretrained_learner("adamw", learning_rate=0.01, head_learning_rate=0.01)
    assert [group["times"] for group in optimizer.param_groups] == [1.0, 1.0]
    assert sum(len(g["params"]) for g in optimizer.param_groups) == len(list(model.parameters()))


@pytest.mark.parametrize("name", EVERY)
def test_a_head_can_be_trained_alone(name):
    backbone = backbone_of("gpt2")
    backbone.head = {"score.weight"}
    backbone.model.requires_grad_(False)
    backbone.model.score.requires_grad_(True)
    config = TrainConfig(
        backbone="pretrained",
        freeze="all",
        lora_rank=0,
        optimizer=name,
        learning_rate=0.01,
        head_learning_rate=0.1,
    )
    optimizer = make_optimizer(backbone, RankingLoss(config), config)
    before = backbone.model.score.weight.detach().clone()
    backbone.model.score.weight.grad = torch.ones_like(before)
    optimizer.step(0.01)
    assert not torch.equal(backbone.model.score.weight, before)


def test_muon_has_the_matrices_of_hidden_layers_and_adamw_the_rest():
    learner = Learner("muon", ties="drop")
    model = learner.backbone.model
    names = {id(weight): name for name, weight in model.named_parameters()}
    muon, adamw = learner.optimizer.parts
    assert (type(muon), type(adamw)) == (Muon, AdamW)
    found = {names[id(weight)] for group in muon.param_groups for weight in group["params"]}
    others = {names[id(weight)] for group in adamw.param_groups for weight in group["params"]}
    assert "prompt_encoder.layers.0.self_attn.in_proj_weight" in found
    assert "response_decoder.layers.0.linear1.weight" in found
    matrices = {name for name in others if model.get_parameter(name).dim() > 1}
    assert matrices == {"embedding.weight", "score.weight"}
    assert all(
        ("norm" in name or "bias" in name) for name in others - {"embedding.weight", "score.weight"}
    )
    assert found | others == set(names.values())
    assert not found & others


@pytest.mark.parametrize("kind", ["gpt2", "llama", "bert"])
def test_muon_leaves_embeddings_and_heads_of_pretrained_models_alone(kind):
    model = backbone_of(kind, "auto").model
    hidden = {id(weight) for weight in hidden_matrices(model)}
    names = [name for name, weight in model.named_parameters() if id(weight) in hidden]
    assert len(names) >= 8
    for word in ("embed", "wte", "wpe", "score", "classifier", "bias", "norm", "ln_"):
        assert not any(word in name for name in names)


def test_the_schedule_moves_both_of_muons_parts_in_proportion():
    whole, half = Learner("muon", weight_decay=0.0), Learner("muon", weight_decay=0.0)
    before = whole.weights()
    whole.step(0, rate=0.01)
    half.step(0, rate=0.005)
    for name, weight in whole.weights().items():
        torch.testing.assert_close(
            half.weights()[name] - before[name], (weight - before[name]) / 2, atol=1e-6, rtol=1e-3
        )


def test_settings_reach_the_optimizers():
    def group(name):
        return Learner(name, beta1=0.8, beta2=0.7).optimizer.param_groups[0]

    assert group("adam")["betas"] == group("adamw")["betas"] == (0.8, 0.7)
    assert (group("sgd")["momentum"], group("sgd")["nesterov"]) == (0.8, True)
    assert (group("rmsprop")["momentum"], group("rmsprop")["alpha"]) == (0.8, 0.7)
    assert (group("muon")["momentum"], group("muon")["adjust_lr_fn"]) == (0.8, "match_rms_adamw")


def test_sgd_without_momentum():
    learner = Learner("sgd", beta1=0.0, weight_decay=0.0, ties="drop")
    before = learner.weights()["score.weight"]
    learner.step(0, rate=0.1)
    gradient = learner.backbone.model.score.weight.grad
    torch.testing.assert_close(learner.weights()["score.weight"], before - 0.1 * gradient)


def rates(**settings):
    config = TrainConfig(learning_rate=0.5, final_lr_ratio=0.2, warmup_ratio=0.1, **settings)
    return [learning_rate_at(step, 40, config) for step in range(40)]


def test_the_rate_rises_and_falls():
    found = rates()
    assert found[:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert found[4:] == sorted(found[4:], reverse=True)
    assert found[-1] == pytest.approx(0.1)


def test_the_rate_falls_in_a_line():
    found = rates(schedule="linear")
    assert found[:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    steps = [one - other for one, other in pairwise(found[4:])]
    assert steps == pytest.approx([(0.5 - 0.1) / 35] * 35)
    assert found[-1] == pytest.approx(0.1)


def test_the_rate_stays():
    found = rates(schedule="constant")
    assert found[:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert found[4:] == [0.5] * 36


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_a_rate_for_a_single_step(schedule):
    config = TrainConfig(learning_rate=0.5, schedule=schedule)
    assert learning_rate_at(0, 1, config) == pytest.approx(0.5)
