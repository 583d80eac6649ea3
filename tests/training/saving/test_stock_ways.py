"""Every stock way of loading a saved folder gives the raw reward that scoring stores."""

import json

import pytest
import torch
from tokenizers.processors import ByteLevel, Sequence, TemplateProcessing
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertTokenizer, pipeline

from tests.training.tiny import (
    SCRATCH,
    gpt2_like_tokenizer,
    pretrained_backbone,
    ranking_lines,
    save_pretrained_folder,
    scratch_backbone,
    write_rankings,
)
from training.backbones.choose import load_backbone
from training.config import TrainConfig
from training.data.chat_template import folds_system
from training.data.encoder import TextEncoder, prepare_tokenizer
from training.data.examples import Example
from training.runs.folder import RunFolder
from training.saving.tokenizer import add_no_special_tokens
from training.train import main

TALKS = [
    [
        {"role": "user", "content": "Why is the sky blue?"},
        {"role": "assistant", "content": "Air scatters blue light."},
    ],
    [
        {"role": "user", "content": "Why is the sky blue?"},
        {"role": "assistant", "content": "The quick brown fox jumps over the lazy dog, dear user."},
    ],
]
LLAMA_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{{ '[' + m['role'] + ']' + m['content'] }}"
    "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def llama_like_tokenizer():
    """Return a tokenizer like Llama's: it and its template put a begin token before a text."""
    tokenizer = gpt2_like_tokenizer()
    tokenizer.add_special_tokens({"bos_token": "<s>", "eos_token": "</s>"})
    begin = tokenizer.bos_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", begin)]
    )
    tokenizer.chat_template = LLAMA_TEMPLATE
    return tokenizer


def saved(kind, folder):
    """Save a model of random weights, and return its rewards of TALKS as scoring computes them."""
    if kind == "llama":
        backbone = pretrained_backbone("llama")
        backbone.tokenizer = llama_like_tokenizer()
        prepare_tokenizer(backbone.tokenizer)
        backbone.model.resize_token_embeddings(len(backbone.tokenizer))
        backbone.model.config.pad_token_id = backbone.pad = backbone.tokenizer.pad_token_id
    else:
        backbone = scratch_backbone(kind)
    encoder = TextEncoder(backbone.tokenizer, max_prompt_tokens=100, max_response_tokens=100)
    examples = [
        Example(encoder.prompt(talk[:1]), encoder.responses([talk[1]["content"]])) for talk in TALKS
    ]
    with torch.no_grad():
        rewards = backbone.rewards(examples)[:, 0]
    backbone.save(folder)
    return rewards


@pytest.mark.parametrize("kind", ["llama", *SCRATCH])
def test_every_stock_way_gives_the_reward(kind, tmp_path):
    rewards = saved(kind, tmp_path)
    own = kind in SCRATCH
    texts = [
        AutoTokenizer.from_pretrained(tmp_path).apply_chat_template(talk, tokenize=False)
        for talk in TALKS
    ]
    assert add_no_special_tokens(tmp_path, texts)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path, trust_remote_code=own)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    found = {}
    with torch.no_grad():
        for side in ("right", "left"):
            batch = tokenizer(texts, padding=True, padding_side=side, return_tensors="pt")
            found[side] = model(**batch).logits.squeeze(-1)
        rows = [tokenizer(text, return_tensors="pt") for text in texts]
        found["plain call"] = torch.cat([model(**row).logits[0] for row in rows])
        rows = [tokenizer(text, add_special_tokens=False, return_tensors="pt") for text in texts]
        found["without special tokens"] = torch.cat([model(**row).logits[0] for row in rows])
    default = pipeline("text-classification", model=str(tmp_path), trust_remote_code=own)
    found["pipeline"] = torch.tensor([row["score"] for row in default(texts)])
    assert json.loads((tmp_path / "config.json").read_text())["problem_type"] == "regression"
    assert model.config.num_labels == 1
    for way, theirs in found.items():
        torch.testing.assert_close(theirs, rewards, atol=1e-4, rtol=1e-4, msg=way)


def test_a_tokenizer_that_cannot_be_changed_stays_as_it_was(tmp_path):
    """BERT's own class adds its special tokens whatever the files say."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "why", "not"]
    tokenizer = BertTokenizer(vocab={word: place for place, word in enumerate(words)})
    tokenizer.save_pretrained(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert not add_no_special_tokens(tmp_path, ["why not"])
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_other_post_processors_stay(tmp_path):
    tokenizer = llama_like_tokenizer()
    adding = tokenizer.backend_tokenizer.post_processor
    tokenizer.backend_tokenizer.post_processor = Sequence([ByteLevel(), adding])
    tokenizer.save_pretrained(tmp_path)
    assert add_no_special_tokens(tmp_path, ["a text"])
    found = json.loads((tmp_path / "tokenizer.json").read_text())["post_processor"]
    assert [part["type"] for part in found["processors"]] == ["ByteLevel"]


def test_a_folder_of_an_earlier_version_loads(tmp_path):
    """It has no problem type, and its tokenizer adds a begin token to a plain text."""
    rewards = saved("llama", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["problem_type"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    backbone = load_backbone(tmp_path, TrainConfig(backbone="pretrained"), torch.device("cpu"))
    encoder = TextEncoder(backbone.tokenizer, max_prompt_tokens=100, max_response_tokens=100)
    examples = [
        Example(encoder.prompt(talk[:1]), encoder.responses([talk[1]["content"]])) for talk in TALKS
    ]
    with torch.no_grad():
        torch.testing.assert_close(
            backbone.model.eval() and backbone.rewards(examples)[:, 0], rewards
        )


def test_system_messages_that_the_template_refuses_are_folded_wherever_the_model_reads(tmp_path):
    """The run says so, its card too, and the saved template does the same for others."""
    lines = ranking_lines(labellers=("ann",))
    system = {"role": "system", "content": "Be brief."}
    for line in lines[::2]:
        line["prompt"] = [system, {"role": "user", "content": line["prompt"]}]
    lines[1]["prompt"] = [{"role": "user", "content": "Hi."}, system]
    base = save_pretrained_folder(tmp_path / "base", "llama")
    llama_like_tokenizer().save_pretrained(base)
    arguments = ["--rankings", str(write_rankings(tmp_path / "rankings.jsonl", lines))]
    arguments += ["--backbone", "pretrained", "--model", str(base)]
    arguments += ["--max-prompt-tokens", "64", "--max-response-tokens", "64"]
    folder = RunFolder(tmp_path / "run")
    assert main([*arguments, "--run-folder", str(folder.path)]) == 0
    manifest, metrics = folder.read_manifest(), folder.read_metrics()
    assert (manifest["folded_prompts"], manifest["dropped_prompts"]) == (7, 1)
    assert manifest["refusals"] == {"System role not supported": 1}
    assert metrics["left_out"]["folded_prompts"] == 7
    report = (folder.path / "report.md").read_text()
    assert "System messages were put into the first user message of 7 prompts" in report
    card = (folder.model / "README.md").read_text()
    assert "refuses system messages" in card
    assert "gives the same tokens" in card
    tokenizer = AutoTokenizer.from_pretrained(folder.model)
    assert folds_system(tokenizer)
    user = {"role": "user", "content": "Why?"}
    joined = {"role": "user", "content": "Be brief.\n\nWhy?"}
    encoder = TextEncoder(tokenizer, max_prompt_tokens=64, max_response_tokens=64)
    assert encoder.prompt([system, user]).tolist() == encoder.prompt([joined]).tolist()
    filled = tokenizer.apply_chat_template([system, user, TALKS[0][1]], tokenize=False)
    assert filled == "<s>[user]Be brief.\n\nWhy?[assistant]Air scatters blue light.</s>"
