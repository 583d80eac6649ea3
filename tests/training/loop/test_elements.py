"""Rankings of the same responses are learned together, and count as one."""

import copy

import numpy as np
import pytest
import torch

from tests.training.backbones.equality import all_close, gradients
from tests.training.tiny import SCRATCH, backbone_of, in_float64, random_examples
from training.config import TrainConfig
from training.data.dataset import Element, TokenizedPrompt, TokenizedRanking
from training.distributed.device import Device
from training.loop.loss import RankingLoss
from training.loop.step import RankingLosses, accumulate_gradients
from training.rankings import UNRANKED, agreement

CPU = Device(torch.device("cpu"), bf16=False)

# Places, ranks and groups of the rankings of each of three prompts with 3, 2 and 4 responses.
RANKINGS = [
    [
        ((2, 0, 1), (1, 2, 3), ()),
        ((0, 1, 2), (2, 1, 1), ()),
        ((1, 0), (1, 2), ()),
        ((0, 1, 2), (1, UNRANKED, UNRANKED), ()),
        ((1, 2, 0), (1, 1, 1), ()),
    ],
    [((0, 1), (1, 2), ())],
    [
        ((3, 1, 0, 2), (1, 2, 2, 3), (0, 1, 1, 3)),
        ((3, 2, 1), (2, 1, 3), (0, 1, 0)),
        ((0, 3), (2, 1), ()),
    ],
]
OBJECTIVES = {
    "comparisons": {},
    "half": {"ties": "half"},
    "Davidson": {"ties": "davidson"},
    "shuffled": {"ties": "half", "batching": "shuffled"},
    "margin and smoothing": {"margin": 0.3, "label_smoothing": 0.1, "reward_centering": 0.2},
    "whole order": {"loss": "plackett-luce", "reward_centering": 0.2},
}


def elements_of(backbone, rankings=RANKINGS):
    """Elements of random tokens."""
    found = []
    for number, (example, rows) in enumerate(zip(random_examples(backbone), rankings, strict=True)):
        prompt = TokenizedPrompt(number, str(number), example.prompt, list(example.responses))
        found.append(Element.of([TokenizedRanking(prompt, *row[:2], "", row[2]) for row in rows]))
    return found


def learned(backbone, config, elements):
    """(statistics, gradients) of a step, in float64."""
    objective = RankingLoss(config).double()
    losses = RankingLosses(copy.deepcopy(backbone), objective)
    stats, _ = accumulate_gradients(losses, elements, CPU, config.tokens_per_batch)
    return stats, gradients(losses)


def alone(element):
    """Each ranking of an element as an element with its own responses only."""
    return [Element.of([ranking]) for ranking in element.rankings]


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("kind", ["gpt2", *SCRATCH])
def test_an_element_has_the_mean_loss_and_gradient_of_its_rankings(kind, objective):
    backbone = in_float64(backbone_of(kind))
    config = TrainConfig(**OBJECTIVES[objective])
    elements = elements_of(backbone)
    stats, found = learned(backbone, config, elements)
    each = [learned(backbone, config, alone(element)) for element in elements]
    assert stats.loss == pytest.approx(np.mean([one.loss for one, _ in each]), abs=1e-12)
    expected = {name: sum(part[name] for _, part in each) / len(each) for name in found}
    all_close(found, expected, 1e-9, 1e-9)
    sums = [sum(getattr(one, name) for one, _ in each) for name in ("comparisons", "agreed")]
    assert [stats.comparisons, stats.agreed] == sums
    assert (stats.elements, stats.rankings) == (3, 9)


def test_the_accuracy_is_over_the_comparisons_of_all_rankings():
    backbone = in_float64(backbone_of("transformer"))
    elements = elements_of(backbone)
    with torch.no_grad():
        rewards = backbone.rewards([element.example() for element in elements]).tolist()
    counts = []
    for element, row in zip(elements, rewards, strict=True):
        reward = dict(zip(element.places, row, strict=False))
        for ranking in element.rankings:
            scores = [reward[place] for place in ranking.places]
            counts.append(agreement(ranking.ranks, scores, ranking.groups))
    stats, _ = learned(backbone, TrainConfig(), elements)
    assert stats.comparisons == sum(count.comparisons for count in counts) == 17
    assert stats.accuracy == sum(count.agreed for count in counts) / 17


@pytest.mark.parametrize("kind", ["gpt2", *SCRATCH])
def test_eleven_labellers_who_agree_count_as_one(kind):
    backbone = in_float64(backbone_of(kind))
    single = [[rows[0]] for rows in RANKINGS]
    repeated = [rows[:1] * count for rows, count in zip(RANKINGS, (11, 1, 1), strict=True)]
    stats, found = learned(backbone, TrainConfig(), elements_of(backbone, repeated))
    expected_stats, expected = learned(backbone, TrainConfig(), elements_of(backbone, single))
    assert stats.loss == pytest.approx(expected_stats.loss, abs=1e-12)
    all_close(found, expected, 1e-9, 1e-9)
    assert (stats.rankings, stats.elements) == (13, 3)


@pytest.mark.parametrize("tokens_per_batch", [10_000, 16])
def test_each_response_is_computed_once(tokens_per_batch):
    backbone = backbone_of("transformer")
    elements = elements_of(backbone)
    computed = []

    class Counted(RankingLosses):
        def forward(self, examples, *more):
            computed.extend(examples)
            return super().forward(examples, *more)

    losses = Counted(backbone, RankingLoss(TrainConfig()))
    stats, _ = accumulate_gradients(losses, elements, CPU, tokens_per_batch)
    assert sorted(len(example.responses) for example in computed) == [2, 3, 4]
    assert stats.tokens == sum(example.tokens for example in computed)
    assert stats.tokens == sum(example.tokens for example in random_examples(backbone))
