"""Each family of pretrained models is trained and saved, or refused in one line."""

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    BloomConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    FalconConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GPTNeoXConfig,
    MambaConfig,
    MistralConfig,
    ModernBertConfig,
    OPTConfig,
    Phi3Config,
    RobertaConfig,
    XLNetConfig,
)

from tests.training.tiny import SIZES, gpt2_like_tokenizer, random_examples
from training.backbones.lastlayer import LastLayer
from training.backbones.pretrained import PretrainedBackbone
from training.config import TrainConfig
from training.errors import UserError
from training.saving.verify import verify

CPU = torch.device("cpu")
ENCODER = {key: value for key, value in SIZES.items() if key != "num_key_value_heads"}
PLAIN = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
BERT_IDS = {"cls_token_id": 0, "sep_token_id": 0}

# Configuration, its arguments, layout, sides that may be padded
CAUSAL = {
    "gemma2": (Gemma2Config, SIZES | {"head_dim": 8, "sliding_window": 8}, "padded", "both"),
    "gemma3": (Gemma3TextConfig, SIZES | {"head_dim": 8, "sliding_window": 8}, "padded", "both"),
    "phi3": (Phi3Config, SIZES, "shared", "both"),
    "gpt_neox": (GPTNeoXConfig, ENCODER, "shared", "both"),
    "opt": (
        OPTConfig,
        PLAIN | {"ffn_dim": 64, "word_embed_proj_dim": 32, "max_position_embeddings": 128},
        "shared",
        "both",
    ),
    "mistral": (MistralConfig, SIZES | {"sliding_window": 8}, "padded", "both"),
    "falcon": (FalconConfig, PLAIN, "shared", "both"),
    "falcon with alibi": (FalconConfig, PLAIN | {"alibi": True}, "padded", "both"),
    "bloom": (BloomConfig, {"hidden_size": 32, "n_layer": 2, "n_head": 4}, "padded", "both"),
}
ENCODERS = {
    "deberta-v2": (
        DebertaV2Config,
        ENCODER
        | {"relative_attention": True, "position_buckets": 16, "pos_att_type": ["c2p", "p2c"]}
        | {"position_biased_input": False, "type_vocab_size": 0},
    ),
    "roberta": (RobertaConfig, ENCODER | {"max_position_embeddings": 66}),
    "distilbert": (DistilBertConfig, {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}),
    "modernbert": (ModernBertConfig, ENCODER | BERT_IDS | {"local_attention": 8}),
    "electra": (ElectraConfig, ENCODER | {"embedding_size": 16}),
}
CASES = [(AutoModelForCausalLM, *case) for case in CAUSAL.values()] + [
    (AutoModelForMaskedLM, *case, "padded", "right") for case in ENCODERS.values()
]


def save_folder(folder, auto, kind, sizes):
    """Save a model with weights large enough to reveal a wrong position or mask."""
    torch.manual_seed(0)
    tokenizer = gpt2_like_tokenizer()
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(1)
    end = tokenizer.eos_token_id
    ids = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": 1}
    model = auto.from_config(kind(vocab_size=len(tokenizer), **ids, **sizes))
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return TrainConfig(
        backbone="pretrained", model=str(folder), max_prompt_tokens=32, max_response_tokens=32
    )


@pytest.mark.parametrize(
    ("auto", "kind", "sizes", "layout", "sides"), CASES, ids=[*CAUSAL, *ENCODERS]
)
def test_a_family_is_trained_and_saved(auto, kind, sizes, layout, sides, tmp_path):
    config = save_folder(tmp_path / "base", auto, kind, sizes)
    backbone = PretrainedBackbone.create(config, CPU)
    assert backbone.layout == layout
    examples = random_examples(backbone)
    backbone.model.train()
    optimizer = torch.optim.SGD(backbone.model.parameters(), lr=0.01)
    before = backbone.rewards(examples)
    before.square().sum().backward()
    optimizer.step()
    backbone.save(tmp_path / "saved")
    found = verify(backbone, tmp_path / "saved", examples)
    assert found == (["right", "left"] if sides == "both" else ["right"])
    with torch.no_grad():
        assert not torch.equal(backbone.rewards(examples), before)
    check_last_layer(backbone, examples)


def check_last_layer(backbone, examples):
    """The rewards are linear in what the last layer reads."""
    last = LastLayer.of(backbone)
    [weights] = last.weights.values()
    backbone.model.eval()
    for example in examples:
        rewards, rows = last.read([example])
        with torch.no_grad():
            expected = backbone.rewards([example])[0].numpy()
        assert rewards == pytest.approx(expected, abs=1e-5)
        linear = rows @ weights
        assert linear - linear[0] == pytest.approx(expected - expected[0], abs=1e-4)


@pytest.mark.parametrize(
    ("auto", "kind", "sizes", "words"),
    [
        (AutoModelForCausalLM, MambaConfig, {"hidden_size": 32, "num_hidden_layers": 2},
         "transformers has no sequence classifier for a mamba model; choose another model"),
        (AutoModelForCausalLM, XLNetConfig, {"d_model": 32, "n_layer": 2, "n_head": 4},
         "padding changes the rewards of a xlnet model; choose another model"),
        (AutoModelForMaskedLM, RobertaConfig, ENCODER | {"max_position_embeddings": 65},
         "is 64, but .* reads at most 63 tokens; lower them"),
    ],
    ids=["mamba", "xlnet", "roberta with too few positions"],
)  # fmt: skip
def test_a_family_is_refused_in_one_line(auto, kind, sizes, words, tmp_path):
    config = save_folder(tmp_path, auto, kind, sizes)
    with pytest.raises(UserError, match=words) as caught:
        PretrainedBackbone.create(config, CPU)
    assert "\n" not in str(caught.value)
