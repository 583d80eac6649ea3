"""Tiny real things: models from configs, tokenizers, rankings."""

import gzip
import json
import random
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BertConfig,
    BertModel,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from training.backbones.pretrained import PretrainedBackbone
from training.backbones.scratch import ScratchBackbone
from training.config import TrainConfig
from training.data.arrow_table import Table, TableWriter
from training.data.dataset import Prompts, Rankings
from training.data.encoder import TextEncoder, prepare_tokenizer
from training.data.examples import Example
from training.data.file import FileSource
from training.data.staging import stage
from training.data.token_cache import schemas, tokenized
from training.data.tokenizer import train_tokenizer

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "Why is the sky blue? Because air scatters blue light more than red light.",
    "User: hello there. Assistant: a good day to you, dear user!",
] * 3

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}

SCRATCH = {
    "transformer": {"backbone": "transformer", "heads": 4},
    "gru": {"backbone": "rnn", "cell": "gru", "layers": 2},
    "lstm": {"backbone": "rnn", "cell": "lstm", "layers": 2},
}


def family_config(family, vocabulary, **more):
    if family == "gpt2":
        sizes = {"n_layer": 2, "n_embd": 32, "n_head": 4, "n_positions": 128}
        return GPT2Config(vocab_size=vocabulary, **sizes | more)
    if family == "bert":
        sizes = {key: value for key, value in SIZES.items() if key != "num_key_value_heads"}
        return BertConfig(vocab_size=vocabulary, **sizes, **more)
    if family == "mistral":
        return MistralConfig(vocab_size=vocabulary, sliding_window=4, **SIZES, **more)
    configs = {"llama": LlamaConfig, "qwen2": Qwen2Config, "qwen3": Qwen3Config}
    return configs[family](vocab_size=vocabulary, **SIZES, **more)


def wide_heads(family):
    """Return settings for heads of width 16, the least of FlexAttention on CUDA."""
    return {"n_head": 2} if family == "gpt2" else {"head_dim": 16}


def gpt2_like_tokenizer():
    """Return a tokenizer like GPT-2's: <|endoftext|> begins, ends and is unknown; nothing pads."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=end, eos_token=end, unk_token=end
    )


def save_pretrained_folder(folder: Path, family: str, **more) -> Path:
    """A causal language model from a config, saved with its tokenizer."""
    torch.manual_seed(0)
    tokenizer = gpt2_like_tokenizer()
    end = tokenizer.eos_token_id
    config = family_config(family, len(tokenizer), bos_token_id=end, eos_token_id=end, **more)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_encoder_folder(folder: Path) -> Path:
    """An encoder of texts, without a head."""
    torch.manual_seed(0)
    tokenizer = gpt2_like_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    BertModel(family_config("bert", len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_reward_folder(folder: Path) -> Path:
    """A reward model with a head of its own and a chat template."""
    torch.manual_seed(1)
    tokenizer = gpt2_like_tokenizer()
    tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    tokenizer.chat_template = (
        "{%- for message in messages -%}"
        "{{- '[' + message['role'] + '] ' + message['content'] -}}"
        "{%- if message['role'] == 'assistant' -%}{{- eos_token -}}{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- '[assistant] ' -}}{%- endif -%}"
    )
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = family_config("qwen2", len(tokenizer), num_labels=1, **ids)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def pretrained_backbone(family, layout="shared", attention="auto", device="cpu"):
    """Random weights, large enough that a wrong mask or position shows."""
    torch.manual_seed(0)
    tokenizer = gpt2_like_tokenizer()
    prepare_tokenizer(tokenizer)
    config = family_config(
        family,
        len(tokenizer),
        num_labels=1,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.3,
        **wide_heads(family),
    )
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation="sdpa")
    return PretrainedBackbone(model.eval().to(device), tokenizer, layout, attention)


def scratch_backbone(kind="transformer", layout="shared", layers=1, device="cpu"):
    """Return a backbone with large weights, whose rewards differ as if it were trained."""
    torch.manual_seed(0)
    sizes = {"width": 32, "layers": layers, "vocabulary": 400} | SCRATCH[kind]
    config = TrainConfig(layout=layout, **sizes)
    backbone = ScratchBackbone.create(config, iter(TEXTS), torch.device("cpu"))
    model = backbone.model.eval()
    if kind == "transformer":
        weights, std = [module.weight for module in model._zero_initialised], 0.3
        torch.nn.init.normal_(model.embedding.weight, std=0.2)
    else:
        weights, std = [*model.rnn.parameters(), *model.embedding.parameters()], 0.6
    for weight in weights:
        torch.nn.init.normal_(weight, std=std)
    model.to(device)
    return backbone


def backbone_of(kind, layout="shared", attention="auto", device="cpu"):
    if kind in SCRATCH:
        return scratch_backbone(kind, layout, device=device)
    return pretrained_backbone(kind, layout, attention, device)


def in_float64(backbone):
    """All of it: Llama's and Qwen's own norms go through float32, torch's do not."""
    for module in list(backbone.model.modules()):
        for name, child in list(module.named_children()):
            if type(child).__name__.endswith("RMSNorm"):
                norm = torch.nn.RMSNorm(child.weight.shape[0], eps=child.variance_epsilon)
                norm.weight = child.weight
                setattr(module, name, norm)
    backbone.model.double()
    return backbone


def random_examples(backbone, sizes=((7, (3, 6, 4)), (2, (5, 1)), (9, (2, 2, 8, 3))), seed=0):
    """Examples of random tokens, none of them special; sizes are (P, (R, R, ...))."""
    random_numbers = np.random.default_rng(seed)
    low, high = len(backbone.tokenizer.all_special_ids) + 1, len(backbone.tokenizer) - 1
    end = backbone.tokenizer.eos_token_id
    separator = getattr(backbone.model.config, "separator_token_id", None)

    def tokens(count, last=None):
        found = random_numbers.integers(low, high, size=count).astype(np.int32)
        if last is not None:
            found[-1] = last
        return found

    return [
        Example(tokens(P, separator), [tokens(R, end) for R in responses]) for P, responses in sizes
    ]


def rewards_one_by_one(backbone, examples):
    """Each response in a sequence of its own, alone in its batch, through the stock forward."""
    found = []
    for example in examples:
        rows = [
            torch.from_numpy(np.concatenate([example.prompt, response]).astype(np.int64))[None]
            for response in example.responses
        ]
        device = backbone.model.device
        found.append(
            torch.cat([backbone.model(input_ids=row.to(device)).logits[0] for row in rows])
        )
    return found


def ranking_lines(prompts=14, labellers=("ann", "bob")):
    """Rankings by how often a response says "good"; equal counts are ties. One is all tied."""
    chance = random.Random(0)
    words = ["water", "stone", "river", "light", "paper", "garden", "window"]
    lines = []
    for number in range(prompts):
        responses = []
        for name in "abcde"[: chance.choice([4, 5])]:
            filler = chance.choices(words, k=chance.randint(2, 9))
            text = " ".join([*filler, *["good"] * chance.randint(0, 3), name])
            responses.append({"id": name, "text": text, "source": None})
        goodness = {r["id"]: r["text"].split().count("good") for r in responses}
        ranking = [
            [name for name, value in goodness.items() if value == level]
            for level in sorted(set(goodness.values()), reverse=True)
        ]
        prompt = f"Write about {words[number % len(words)]}, number {number}."
        lines += [
            {"prompt": prompt, "responses": responses, "ranking": ranking, "labeller": labeller}
            for labeller in labellers
        ]
    lines[-1]["ranking"] = [[response["id"] for response in lines[-1]["responses"]]]
    return lines


def tiny_dataset(folder: Path, lines=None, source=None, **settings):
    """Rankings as a run has them, tokenised by a tiny tokenizer."""
    source = source or FileSource(write_rankings(folder / "rankings.jsonl", lines))
    encoder = TextEncoder(
        train_tokenizer(iter(TEXTS), 400), max_prompt_tokens=100, max_response_tokens=100
    )
    config = TrainConfig(**settings)
    with stage(source, folder / "cache", config.aggregation) as staging:
        staging.split(config)
        return tokenized(staging, encoder, folder / "cache")[0]


def stored_rankings(folder: Path, prompts, rows) -> Rankings:
    """Rankings as a run reads them, of prompts with tokens.

    Prompts are (P tokens, [R tokens, ...]); rows are (prompt, places, ranks) or (prompt, places,
    ranks, groups), in the order of the prompts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    of_prompts, of_texts, of_rankings, _ = schemas(pa.uint16())
    names = ("prompts", "texts", "rankings")
    with ExitStack() as files:
        writers = [
            files.enter_context(TableWriter(folder / name, schema))
            for name, schema in zip(names, (of_prompts, of_texts, of_rankings), strict=True)
        ]
        for number, (prompt, responses) in enumerate(prompts):
            parts = [prompt, *responses]
            none = [0] * len(responses)
            lengths = [len(part) for part in parts]
            hash_, id_ = f"hash {number}", json.dumps(number)
            writers[0].add(hash_, id_, np.concatenate(parts), lengths, none, none)
            writers[1].add(json.dumps([[], []]))
        for labeller, (prompt, places, ranks, *groups) in enumerate(rows):
            tokens = len(prompts[prompt][0]) + sum(len(prompts[prompt][1][p]) for p in places)
            writers[2].add(prompt, labeller, tokens, places, ranks, groups[0] if groups else ())
    opened = [Table(folder / name) for name in names]
    labellers = [f"labeller {number}" for number in range(len(rows))]
    return Rankings(opened[2], Prompts(*opened[:2]), labellers, ["own"] * len(rows))


def write_rankings(path: Path, lines=None) -> Path:
    text = "".join(json.dumps(line) + "\n" for line in lines or ranking_lines())
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path
