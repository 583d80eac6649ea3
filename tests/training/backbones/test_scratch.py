"""The models from scratch compute rewards, are initialised, and load elsewhere."""

import math

import pytest
import torch

from tests.training.tiny import (
    SCRATCH,
    TEXTS,
    random_examples,
    rewards_one_by_one,
    scratch_backbone,
)
from training.backbones.layout import padded_rows
from training.backbones.scratch import ScratchBackbone
from training.config import TrainConfig


@pytest.fixture(params=SCRATCH)
def backbone(request):
    return scratch_backbone(request.param)


def padded(backbone, examples, side):
    """Return the token ids and the attention mask of all sequences, padded on one side."""
    rows = padded_rows(examples, backbone.pad)
    tokens, mask = rows.tokens_BT, rows.attention_BT
    if side == "left":
        for row, length in enumerate(mask.sum(1).tolist()):
            tokens[row] = tokens[row].roll(tokens.shape[1] - length)
            mask[row] = mask[row].roll(tokens.shape[1] - length)
    return tokens, mask


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_gives_the_same_reward(backbone, side):
    examples = random_examples(backbone)
    tokens, mask = padded(backbone, examples, side)
    with torch.no_grad():
        batch = backbone.model(tokens, attention_mask=mask).logits
        alone = [
            backbone.model(row[real.bool()][None]).logits.item()
            for row, real in zip(tokens, mask, strict=True)
        ]
    assert batch.shape == (len(tokens), 1)
    assert batch.squeeze(1).tolist() == pytest.approx(alone, abs=1e-5)


def test_training_mode_and_evaluation_mode_agree(backbone):
    examples = random_examples(backbone)
    with torch.no_grad():
        evaluating = backbone.rewards(examples)
        backbone.model.train()
        training = backbone.rewards(examples)
    torch.testing.assert_close(evaluating, training, atol=1e-5, rtol=0)


def test_a_response_does_not_depend_on_another(backbone):
    examples = random_examples(backbone, sizes=((5, (4, 4)),))
    with torch.no_grad():
        before = backbone.rewards(examples)
        examples[0].responses[1][:-1] += 1
        after = backbone.rewards(examples)
    assert after[0, 0].item() == pytest.approx(before[0, 0].item(), abs=1e-6)
    assert abs(after[0, 1].item() - before[0, 1].item()) > 1e-4


def test_a_reward_depends_on_the_prompt(backbone):
    examples = random_examples(backbone, sizes=((5, (4, 4)),))
    with torch.no_grad():
        before = backbone.rewards(examples)
        examples[0].prompt[0] += 1
        after = backbone.rewards(examples)
    assert (after - before).abs().min() > 1e-4


def test_the_last_layer_equals_a_whole_layer_at_the_ends():
    layer = scratch_backbone().model.response_decoder.layers[-1]
    responses, memory = torch.randn(2, 3, 5, 32), torch.randn(2, 4, 32)
    ends = torch.tensor([[4, 0, 2], [1, 3, 4]])
    places = torch.arange(5)
    masks = {
        "tgt_mask": places > places[:, None],
        "tgt_key_padding_mask": places > ends[:, :, None],
        "memory_key_padding_mask": torch.tensor([[False] * 4, [False, False, True, True]]),
    }
    with torch.no_grad():
        at_ends = layer(responses, memory, **masks)
        layer.is_last = False
        whole = layer(responses, memory, **masks)
    expected = whole.gather(2, ends[:, :, None, None].expand(-1, -1, 1, 32))
    torch.testing.assert_close(at_ends, expected)


@pytest.mark.parametrize("layers", [1, 3])
def test_a_response_gets_the_same_reward_alone_and_with_others(layers):
    backbone = scratch_backbone(layers=layers)
    examples = random_examples(backbone)
    with torch.no_grad():
        together = backbone.rewards(examples)
        alone = rewards_one_by_one(backbone, examples)
    for row, expected in zip(together, alone, strict=True):
        torch.testing.assert_close(row[: len(expected)], expected.squeeze(-1), atol=1e-5, rtol=0)


def test_the_head_starts_small(backbone):
    weight = backbone.model.score.weight
    assert weight.std().item() == pytest.approx(1 / math.sqrt(weight.shape[1] + 1), rel=0.5)


def test_embeddings_start_small_compared_with_positions():
    config = TrainConfig(backbone="transformer", width=32, vocabulary=400)
    model = ScratchBackbone.create(config, iter(TEXTS), torch.device("cpu")).model
    embedded = model.embedding.weight * math.sqrt(32)
    assert embedded.std().item() == pytest.approx(0.02, rel=0.1)


def test_a_sequence_without_a_separator_is_refused(backbone):
    with pytest.raises(ValueError, match="no separator token"):
        backbone.model(torch.tensor([[20, 21, 22]]))


def test_a_sequence_without_a_response_is_refused(backbone):
    separator = backbone.model.config.separator_token_id
    with pytest.raises(ValueError, match="no response"):
        backbone.model(torch.tensor([[20, 21, separator]]))


def test_the_saved_folder_holds_no_pickle(backbone, tmp_path):
    backbone.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {
        ".json",
        ".safetensors",
        ".py",
        ".jinja",
    }
