"""Compare the responses scored per second with transformers' text-classification pipeline.

    .venv/bin/python benchmarks/scoring.py [--repeats 5] [--row 9,256,128]

Both compute rewards from texts with the same model (random weights) and precision, for K responses
of R tokens to each prompt of P tokens. The pipeline gets the full text of each response, all of
equal length, so that nothing is padded. Its best batch size is the one to compare with. They take
turns. "peak MiB" is that of the whole process up to the end of a contender's first turn.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import TextClassificationPipeline

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measuring import (
    add_machine_arguments,
    make_model,
    markdown,
    now,
    peak_memory,
    send,
)
from benchmarks.words import END, word_tokenizer
from training.backbones.pretrained import PretrainedBackbone
from training.child_process import end_with_parent
from training.config import TrainConfig
from training.data.encoder import TextEncoder
from training.data.examples import Example
from training.distributed.device import Device
from training.evaluation.inference import compute_rewards


def main() -> None:
    end_with_parent()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--row", default="9,256,128", metavar="K,P,R")
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batches", type=int, nargs="*", default=(1, 4, 9, 18, 36))
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    add_machine_arguments(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = measure(arguments)
    if arguments.json:
        for row in rows:
            send(row)
    else:
        print(markdown(rows))


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    K, P, R = map(int, arguments.row.split(","))
    device = Device.choose(TrainConfig(device=arguments.device, precision=arguments.precision))
    device.keep_freed_memory()
    prompts = make_texts(arguments.prompts, K, P, R)
    contenders: dict[str, Any] = {"ours": Ours(arguments, device, P, R)}
    seconds: dict[str, list[float]] = {"ours": []}
    rewards: dict[str, list[float]] = {}
    peaks: dict[str, float] = {}
    for repeat in range(arguments.repeats + 1):
        for name, contender in contenders.items():
            start = now(arguments)
            rewards[name] = contender(prompts)
            seconds[name].append(now(arguments) - start)
            peaks.setdefault(name, peak_memory(arguments))
        if not repeat:  # so that the others add nothing to our peak memory
            model = make_model(arguments).eval()
            for size in arguments.batches:
                name = f"pipeline, batches of {size}"
                contenders[name] = Pipeline(model, device, size)
                seconds[name] = []
    rates = {
        name: K * arguments.prompts / statistics.median(times[1:] or times)
        for name, times in seconds.items()
    }
    return [
        {
            "contender": name,
            "responses/s": rate,
            "ours / this": rates["ours"] / rate,
            "rewards differ by": max(
                abs(one - other) for one, other in zip(rewards["ours"], rewards[name], strict=True)
            ),
            "peak MiB": peaks[name],
        }
        for name, rate in rates.items()
    ]


def make_texts(prompts: int, K: int, P: int, R: int) -> list[tuple[str, list[str]]]:
    """Return texts of words with one token each; the end token is the last of the R tokens."""
    rng = random.Random(0)

    def words(count: int) -> str:
        return " ".join(f"w{rng.randrange(END)}" for _ in range(count))

    return [(words(P), [words(R - 1) for _ in range(K)]) for _ in range(prompts)]


class Pipeline:
    """The pipeline of transformers with a batch size."""

    def __init__(self, model: Any, device: Device, batch_size: int) -> None:
        self.device = device
        self.batch_size = batch_size
        self.pipeline = TextClassificationPipeline(
            model=model,
            tokenizer=word_tokenizer(),
            device=device.torch_device,
            function_to_apply="none",
        )

    def __call__(self, prompts: list[tuple[str, list[str]]]) -> list[float]:
        texts = [f"{prompt} {text} w{END}" for prompt, texts in prompts for text in texts]
        with self.device.autocast():
            rows = self.pipeline(texts, batch_size=self.batch_size)
        return [row["score"] for row in rows]


class Ours:
    """Podium's own scoring, from texts to rewards."""

    def __init__(self, arguments: argparse.Namespace, device: Device, P: int, R: int) -> None:
        self.device = device
        self.budget = device.complete(TrainConfig(backbone="pretrained")).tokens_per_batch
        tokenizer = word_tokenizer()
        tokenizer.chat_template = "{{ messages[0]['content'] }}"
        self.backbone = PretrainedBackbone(make_model(arguments).eval(), tokenizer)
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
