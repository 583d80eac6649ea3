"""Compare the responses scored per second with transformers' text-classification pipeline.

    .venv/bin/python benchmarks/scoring.py [--repeats 5] [--row 9,256,128]

Both compute rewards from texts with the same model (GPT-2's architecture, random weights, float32),
for K responses of R tokens to each prompt of P tokens. The pipeline gets the full text of each
response, all of equal length, so that nothing is padded. Its best batch size is used. They take
turns.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, GPT2Config, TextClassificationPipeline

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.words import END, PAD, VOCABULARY, word_tokenizer
from training.backbones.pretrained import PretrainedBackbone
from training.config import TrainConfig
from training.data.encoder import TextEncoder
from training.data.examples import Example
from training.distributed.device import Device
from training.evaluation.inference import compute_rewards

BATCH_SIZES = (1, 4, 9, 18, 36)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--row", default="9,256,128", metavar="K,P,R")
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    K, P, R = map(int, arguments.row.split(","))
    device = Device.choose(TrainConfig(device="cpu"))
    device.keep_freed_memory()
    prompts = make_texts(arguments.prompts, K, P, R)
    model = make_model()
    contenders: dict[str, Any] = {
        f"pipeline, batches of {size}": Pipeline(model, size) for size in BATCH_SIZES
    }
    contenders["ours"] = Ours(device, P, R)
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    rewards: dict[str, list[float]] = {}
    for _ in range(arguments.repeats + 1):
        for name, contender in contenders.items():
            start = time.perf_counter()
            rewards[name] = contender(prompts)
            seconds[name].append(time.perf_counter() - start)
    expected = rewards[f"pipeline, batches of {BATCH_SIZES[0]}"]
    difference = max(abs(one - other) for one, other in zip(rewards["ours"], expected, strict=True))
    rates = {
        name: K * arguments.prompts / statistics.median(values[1:])
        for name, values in seconds.items()
    }
    best = max(rate for name, rate in rates.items() if name != "ours")
    print(f"K={K} P={P} R={R}; rewards differ by at most {difference:.1e}")
    for name, rate in rates.items():
        print(f"{name:24} {rate:8.2f} responses/s {rate / best:8.2f} x the pipeline's best")


def make_texts(prompts: int, K: int, P: int, R: int) -> list[tuple[str, list[str]]]:
    """Return texts of words with one token each; the end token is the last of the R tokens."""
    rng = random.Random(0)

    def words(count: int) -> str:
        return " ".join(f"w{rng.randrange(END)}" for _ in range(count))

    return [(words(P), [words(R - 1) for _ in range(K)]) for _ in range(prompts)]


def make_model() -> Any:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=VOCABULARY + 1, num_labels=1, pad_token_id=PAD)
    return AutoModelForSequenceClassification.from_config(config, attn_implementation="sdpa").eval()


class Pipeline:
    """The pipeline of transformers with a batch size."""

    def __init__(self, model: Any, batch_size: int) -> None:
        self.batch_size = batch_size
        self.pipeline = TextClassificationPipeline(
            model=model, tokenizer=word_tokenizer(), function_to_apply="none"
        )

    def __call__(self, prompts: list[tuple[str, list[str]]]) -> list[float]:
        texts = [f"{prompt} {text} w{END}" for prompt, texts in prompts for text in texts]
        rows = self.pipeline(texts, batch_size=self.batch_size)
        return [row["score"] for row in rows]


class Ours:
    """Podium's own scoring, from texts to rewards."""

    def __init__(self, device: Device, P: int, R: int) -> None:
        self.device = device
        self.budget = device.complete(TrainConfig(backbone="pretrained")).tokens_per_batch
        tokenizer = word_tokenizer()
        tokenizer.chat_template = "{{ messages[0]['content'] }}"
        self.backbone = PretrainedBackbone(make_model(), tokenizer)
        self.encoder = TextEncoder(tokenizer, max_prompt_tokens=P, max_response_tokens=R)

    def __call__(self, prompts: list[tuple[str, list[str]]]) -> list[float]:
        examples = [
            Example(
                self.encoder.prompt([{"role": "user", "content": prompt}]),
                self.encoder.responses(texts),
            )
            for prompt, texts in prompts
        ]
        rows = compute_rewards(self.backbone, examples, self.device, self.budget)
        return [reward for row in rows for reward in row]


if __name__ == "__main__":
    main()
