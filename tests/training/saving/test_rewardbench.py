"""RewardBench's command reads a model folder, and its accuracy is ours on the same pairs.

The package needs a CUDA GPU and packages that do not install beside ours, so what it computes is
written here after its source: rewardbench 0.1.4, rewardbench/rewardbench.py (the branch of sequence
classifiers) and rewardbench/models/pipeline.py (RewardBenchPipeline).
"""

import html
import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.training.tiny import ranking_lines, save_pretrained_folder, write_rankings
from training.runs.folder import RunFolder
from training.serving.items import Item
from training.serving.model import ServedModel
from training.train import main

PAGE = Path(__file__).resolve().parents[3] / "templates" / "registry" / "_use.html"


def options(kind):
    """Return the options of the line on the page; GPT-2 has one more."""
    page = html.unescape(PAGE.read_text())
    (line,) = re.findall(r"rewardbench (--model .*?)\{%", page)
    (more,) = re.findall(r"<code>(--batch_size 1)</code>", page)
    words = shlex.split(f"{line} {more}" if kind == "gpt2" else line)
    parser = ArgumentParser()  # as of Args in rewardbench.py, with its defaults
    parser.add_argument("--model")
    parser.add_argument("--not_quantized", action="store_true")
    parser.add_argument("--torch_dtype", default="float16")
    parser.add_argument("--max_length", type=int, default=512)
    parser.add_argument("--batch_size", type=int, default=8)
    return parser.parse_args(words)


@pytest.fixture(scope="module", params=["transformer", "rnn", "features", "llama", "gpt2"])
def run(request, tmp_path_factory):
    """The kind of a backbone, and the folder of its finished run."""
    place = tmp_path_factory.mktemp(request.param)
    arguments = ["--rankings", str(write_rankings(place / "rankings.jsonl", ranking_lines()))]
    if request.param in ("llama", "gpt2"):
        base = save_pretrained_folder(place / "base", request.param)
        arguments += ["--backbone", "pretrained", "--model", str(base), "--epochs", "2"]
        arguments += ["--learning-rate", "0.001"]
    else:
        arguments += ["--backbone", request.param]
    limits = ["--max-prompt-tokens", "64", "--max-response-tokens", "64"]
    folder = RunFolder(place / "run")
    assert main([*arguments, *limits, "--run-folder", str(folder.path)]) == 0
    return request.param, folder


class RewardBenchPipeline:
    """Rewards of texts in the chat template, padded on the left."""

    def __init__(self, folder, arguments):
        self.max_length = arguments.max_length
        self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
        self.tokenizer.padding_side = "left"
        self.model = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=getattr(torch, arguments.torch_dtype), trust_remote_code=True
        ).eval()
        if self.tokenizer.pad_token_id is None:
            self.model.config.pad_token_id = self.tokenizer.eos_token_id
            self.tokenizer.pad_token_id = self.tokenizer.eos_token_id
        if self.model.config.pad_token_id is None:
            self.model.config.pad_token_id = self.tokenizer.pad_token_id

    def __call__(self, texts):
        inputs = self.tokenizer(
            texts, truncation=False, max_length=self.max_length, padding=True, return_tensors="pt"
        )
        begin = self.tokenizer.bos_token_id
        if self.tokenizer.bos_token:
            ids, mask = inputs["input_ids"], inputs["attention_mask"]
            rows = torch.arange(len(ids))
            starts = mask.argmax(dim=1)
            second = (starts + 1).clamp(max=ids.size(1) - 1)
            double = (ids[rows, starts] == begin) & (ids[rows, second] == begin)
            mask[rows[double], starts[double]] = 0
        with torch.no_grad():
            logits = self.model(**inputs).logits
        return logits.float().flatten().tolist()


def rewardbench(folder, arguments, pairs):
    """Return its accuracy, and the scores of each pair."""
    pipeline = RewardBenchPipeline(folder, arguments)

    def formatted(question, answer):
        messages = [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
        return pipeline.tokenizer.apply_chat_template(messages, tokenize=False)

    scores = []
    for start in range(0, len(pairs), arguments.batch_size):
        batch = pairs[start : start + arguments.batch_size]
        chosen = pipeline([formatted(question, text) for question, text, _ in batch])
        rejected = pipeline([formatted(question, text) for question, _, text in batch])
        scores += [list(pair) for pair in zip(chosen, rejected, strict=True)]
    return sum(chosen > rejected for chosen, rejected in scores) / len(pairs), scores


def test_its_accuracy_is_ours_on_the_same_pairs(run):
    kind, folder = run
    arguments = options(kind)
    assert arguments.not_quantized
    pairs = [
        (line["prompt"], *(line["responses"][place]["text"] for place in (first, second)))
        for line in ranking_lines()
        for first, second in ((0, 1), (2, 1), (1, 0), (0, 2))
    ]
    model = ServedModel.load(folder.model, "cpu")
    items = [
        Item([{"role": "user", "content": question}], text)
        for question, *texts in pairs
        for text in texts
    ]
    ours = [one.reward for one in model.rewards(model.encode(items, score_cut=False))]
    expected = [ours[place : place + 2] for place in range(0, len(ours), 2)]
    accuracy, scores = rewardbench(folder.model, arguments, pairs)
    assert scores == [pytest.approx(pair, abs=1e-4) for pair in expected]
    assert accuracy == sum(chosen > rejected for chosen, rejected in expected) / len(pairs)
