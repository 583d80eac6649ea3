"""The linear model reads its texts from tokens, and loads elsewhere with all its parts."""

import shutil

import pytest
import torch

from tests.training.tiny import TEXTS, random_examples
from training.backbones.choose import load_backbone
from training.backbones.encoders import load_encoder
from training.backbones.features import (
    PodiumFeaturesConfig,
    PodiumFeaturesForSequenceClassification,
    text_key,
)
from training.backbones.scratch import ScratchBackbone, add_network
from training.config import TrainConfig
from training.config.encoder_package import PACKAGE, packaged_encoder
from training.data.encoder import TextEncoder
from training.data.examples import Example
from training.errors import UserError
from training.saving.verify import verify

CPU = torch.device("cpu")
MESSAGES = [{"role": "user", "content": "Who wrote “Émile”?"}]
TEXT = "Rousseau did, in 1762. \U0001f600\n- Émile"


KINDS = ("features", "with an encoder", "with a reward model", "with a network")


def features_backbone(kind, encoder_folder, reward_folder):
    """Return a model whose weights are all large, as if it were trained."""
    torch.manual_seed(0)
    encoder = kind == "with an encoder"
    config = TrainConfig(
        backbone="embedding" if encoder else "features",
        model=str(encoder_folder) if encoder else "",
        reward_feature=str(reward_folder) if kind == "with a reward model" else "",
        vocabulary=400,
    )
    backbone = ScratchBackbone.create(config, iter(TEXTS), CPU)
    model = backbone.model
    if kind == "with a network":
        add_network(model, TrainConfig(width=32))
    for part in (model.named, model.words, model.embedded, model.scored):
        if part is not None:
            torch.nn.init.normal_(part.weight, std=0.3)
    model.words.idf.fill_(1.5)
    if model.network is not None:
        for weight in model.network.parameters():
            torch.nn.init.normal_(weight, std=0.2)
    return backbone


@pytest.fixture(params=KINDS)
def backbone(request, encoder_folder, reward_folder):
    return features_backbone(request.param, encoder_folder, reward_folder)


def examples_of(backbone, texts=(TEXT, "No.", "An answer that is a little longer than that.")):
    encoder = TextEncoder(backbone.tokenizer, max_prompt_tokens=100, max_response_tokens=100)
    return [Example(encoder.prompt(MESSAGES), encoder.responses(texts))]


def test_tokens_become_the_text_that_they_were_made_of(backbone):
    (example,) = examples_of(backbone)
    text = backbone.model.vocabulary.text
    assert text(example.prompt) == "\n" + MESSAGES[0]["content"]
    assert text(example.responses[0]) == TEXT
    assert text(example.responses[0][:-1]) == TEXT  # without the end
    assert "\N{REPLACEMENT CHARACTER}" not in text(example.responses[0][:-5])


def test_the_saved_folder_gives_the_same_rewards_in_stock_transformers(backbone, tmp_path):
    backbone.save(tmp_path)
    examples = [*examples_of(backbone), *random_examples(backbone)]
    assert verify(backbone, tmp_path, examples) == ["right", "left"]
    again = load_backbone(tmp_path, TrainConfig(), CPU)
    with torch.no_grad():
        torch.testing.assert_close(again.rewards(examples), backbone.rewards(examples))


def test_both_layouts_agree(backbone):
    examples = examples_of(backbone)
    with torch.no_grad():
        shared = backbone.rewards(examples)
        backbone.layout = "padded"
        torch.testing.assert_close(backbone.rewards(examples), shared, atol=1e-5, rtol=1e-5)


def test_known_rewards_are_given_and_the_others_computed(backbone):
    (example,) = examples_of(backbone)
    model = backbone.model
    before = backbone.rewards([example])[0]
    model.known = {text_key(example.prompt, example.responses[1]): 10.0}
    after = backbone.rewards([example])[0]
    assert after[[0, 2]].tolist() == pytest.approx(before[[0, 2]].tolist(), abs=1e-5)
    model.known = {text_key(example.prompt, example.responses[1]): 12.0}
    again = backbone.rewards([example])[0]
    assert (again - after).tolist() == pytest.approx([0, 2, 0], abs=1e-4)


def test_only_the_network_is_trained(backbone, tmp_path):
    assert_only_the_network_is_trained(backbone)
    backbone.save(tmp_path)
    assert_only_the_network_is_trained(load_backbone(tmp_path, TrainConfig(), CPU))


def assert_only_the_network_is_trained(backbone):
    trained = {
        name.split(".")[0] for name, w in backbone.model.named_parameters() if w.requires_grad
    }
    assert trained <= {"network"}


def test_the_encoder_of_an_installed_package_is_found(tmp_path, monkeypatch, encoder_folder):
    package = tmp_path / PACKAGE
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('it is not run')")
    monkeypatch.syspath_prepend(tmp_path)
    assert packaged_encoder() is None
    shutil.copytree(encoder_folder, package / "model")
    assert packaged_encoder() == package / "model"
    model = PodiumFeaturesForSequenceClassification(PodiumFeaturesConfig(vocabulary_bytes=1))
    model.add_encoder(*load_encoder(""))
    assert str(tmp_path) not in model.config.to_json_string()


def test_without_an_encoder_it_says_how_to_get_one(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        load_encoder(str(tmp_path / "nowhere"))
