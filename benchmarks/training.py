"""Compare a training step on the pairs of TRL with one in each of our layouts.

    make bench-training
    .venv/bin/python benchmarks/training.py [--repeats 3] [--rows 4,64,128 9,256,128]

Each row (K,P,R) has rankings of K responses (no ties) of R tokens to prompts of P tokens. Tokens
and weights are random, because the time does not depend on them. The contenders take turns, so that
a slower machine affects all of them. A turn is a process of its own, which measures the step after
the first.

trl           RewardTrainer on the K(K-1)/2 pairs of each ranking, 8 pairs per step, with its
              defaults except for float32 where ours has it; its callbacks measure the steps. By
              default, TRL computes activations twice to save memory (gradient checkpointing)
trl-stored-N  the same without gradient checkpointing, N pairs per step
padded        our step, with one row per response
packed        our step, with all prompts and responses in a row without padding, and each prompt
              once per response, as a trainer with variable-length flash attention does
dense         our step, with each prompt once per ranking, and a mask over the whole row
shared        our step, with each prompt once per ranking, and the attention that is chosen for the
              device

The time is that of a whole step with the update of AdamW. Our steps have --rankings rankings (64 by
default in a run, which would share the update). "of peak" is the fraction of the measured rate of a
large matrix product. It counts 6 operations per token and weight of the linear layers, and 12 per
layer, hidden dimension and pair of tokens that attend to each other (Chowdhery et al. 2022, arXiv
2204.02311, appendix B), for all tokens that the contender computes, with padding and without
recomputation.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measuring import (
    Rows,
    add_machine_arguments,
    is_bf16,
    machine_options,
    make_model,
    markdown,
    model_config,
    now,
    peak_memory,
    run,
    send,
)
from benchmarks.words import END, word_tokenizer
from training.backbones.onednn import product
from training.backbones.pretrained import PretrainedBackbone
from training.child_process import end_with_parent
from training.config import TrainConfig
from training.data.dataset import Element, TokenizedPrompt, TokenizedRanking
from training.distributed.device import Device
from training.loop.step import Learner, accumulate_gradients, clip_grad_norm

ROWS = ("4,64,128", "6,64,128", "9,128,128", "9,256,128")
CONTENDERS = ("padded", "shared", "trl", "trl-stored-2", "trl-stored-8")
TRL_PAIRS = 8


class Row(NamedTuple):
    K: int
    P: int
    R: int

    @property
    def pairs(self) -> int:
        return self.K * (self.K - 1) // 2


def main() -> None:
    end_with_parent()
    arguments = parse()
    if arguments.worker:
        send(figures(arguments.worker, Row(*map(int, arguments.rows[0].split(","))), arguments))
        return
    print(
        f"{platform.processor() or platform.machine()}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}, {arguments.architecture}, "
        f"{arguments.device} {arguments.precision}, {arguments.threads} threads, "
        f"{arguments.clock} clock, "
        f"medians of {arguments.repeats}"
    )
    for row in arguments.rows:
        print(f"\nK,P,R = {row}\n\n{markdown(measure(row, arguments))}", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", nargs="+", default=ROWS, metavar="K,P,R")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--contenders", nargs="+", default=CONTENDERS)
    parser.add_argument("--rankings", type=int, default=8, help="rankings in one of our steps")
    parser.add_argument("--steps", type=int, default=1, help="measured steps of a turn")
    add_machine_arguments(parser)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    return arguments


# The process that compares


def measure(row: str, arguments: argparse.Namespace) -> Rows:
    """Return the medians of each contender over its turns."""
    turns: dict[str, Rows] = {name: [] for name in arguments.contenders}
    for _ in range(arguments.repeats):
        for name, rows in turns.items():
            found, failure, errors = run(worker_command(name, row, arguments))
            if failure:
                raise SystemExit(f"{errors}\n{name}: {failure}")
            print(f"{name}: {found[0]['s/ranking']:.3f} s/ranking", file=sys.stderr, flush=True)
            rows += found
    return with_speeds([medians(rows) for rows in turns.values()])


def worker_command(name: str, row: str, arguments: argparse.Namespace) -> list[str]:
    passed = [f"--{key}={getattr(arguments, key)}" for key in ("rankings", "steps")]
    return [__file__, "--worker", name, "--rows", row, *passed, *machine_options(arguments)]


def medians(rows: Rows) -> dict[str, Any]:
    return {
        key: statistics.median(row[key] for row in rows) if isinstance(value, float) else value
        for key, value in rows[0].items()
    }


def with_speeds(rows: Rows) -> Rows:
    """Return the rows with their speed relative to the padded layout in the second column."""
    padded = [row["s/ranking"] for row in rows if row["contender"] == "padded"]
    return [
        {"contender": row["contender"], "speed / padded": padded[0] / row["s/ranking"]} | row
        if padded
        else row
        for row in rows
    ]


# The process that measures


def figures(name: str, row: Row, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what a contender's steps take per ranking, without the first step."""
    steps = (trl_steps if name.startswith("trl") else our_steps)(name, row, arguments)
    attention = next(steps)
    seconds = statistics.median(list(steps)[1:])
    peak = peak_memory(arguments)
    tokens, seen = computed(name, row)
    rate = operations(tokens, seen, arguments) / seconds
    return {
        "contender": name,
        "attention": attention,
        "s/ranking": seconds,
        "rankings/s": 1 / seconds,
        "tokens/ranking": tokens,
        "tokens/s": tokens / seconds,
        "% of peak": 100 * rate / matrix_rate(arguments),
        "peak MiB": peak,
    }


def matrix_rate(arguments: argparse.Namespace) -> float:
    """Return the operations per second of a large matrix product in the precision of training.

    On a CPU in float32, it is the faster one of torch and oneDNN.
    """
    dtype = torch.bfloat16 if is_bf16(arguments) else torch.float32
    size = 8192 if arguments.device == "cuda" else 1536
    one, other = torch.randn(2, size, size, device=arguments.device, dtype=dtype).unbind()
    products = [torch.matmul]
    if arguments.device == "cpu" and dtype == torch.float32:
        products.append(product)
    return max(2 * size**3 / call_seconds(each, one, other, arguments) for each in products)


def call_seconds(function: Any, one: Any, other: Any, arguments: argparse.Namespace) -> float:
    times = []
    for _ in range(8):
        start = now(arguments)
        function(one, other)
        times.append(now(arguments) - start)
    return statistics.median(times[2:])


def computed(name: str, row: Row) -> tuple[int, int]:
    """Return the tokens and the pairs of attending tokens that a contender computes per ranking."""
    K, P, R = row
    if name in ("shared", "dense"):
        return P + K * R, P * P // 2 + K * (P * R + R * R // 2)
    sequences = 2 * row.pairs if name.startswith("trl") else K
    return sequences * (P + R), sequences * (P + R) ** 2 // 2


def operations(tokens: int, seen: int, arguments: argparse.Namespace) -> float:
    """Return the operations of the matrix products of both passes, without recomputation."""
    config = model_config(arguments.architecture)
    D, layers = config.hidden_size, config.num_hidden_layers
    return 6 * layers * weights_of_layer(config) * tokens + 12 * layers * D * seen


def weights_of_layer(config: Any) -> int:
    D = config.hidden_size
    if config.model_type == "gpt2":
        return 12 * D * D
    into = D * config.head_dim * (config.num_attention_heads + 2 * config.num_key_value_heads)
    out = D * config.head_dim * config.num_attention_heads
    return into + out + 3 * D * config.intermediate_size


# The contenders: each yields its attention, and then the seconds per ranking of each step


def make_examples(row: Row, count: int) -> list[tuple[np.ndarray, list[np.ndarray]]]:
    rng = np.random.default_rng(0)

    def tokens(length: int) -> np.ndarray:
        return rng.integers(0, END, size=length).astype(np.int32)

    def response() -> np.ndarray:
        return np.append(tokens(row.R - 1), np.int32(END))

    return [(tokens(row.P), [response() for _ in range(row.K)]) for _ in range(count)]


def our_steps(name: str, row: Row, arguments: argparse.Namespace) -> Iterator[Any]:
    config = TrainConfig(
        backbone="pretrained",
        layout="padded" if name == "padded" else "shared",
        attention="dense" if name == "dense" else "auto",
        device=arguments.device,
        precision=arguments.precision,
    )
    device = Device.choose(config)
    device.keep_freed_memory()
    config = device.complete(config)
    model = make_model(arguments)
    backbone = PretrainedBackbone(model.train(), None, config.layout, config.attention)
    yield backbone.attention or "padded"
    learner = Learner.create(backbone, config, device)
    elements = []
    for number, (prompt, responses) in enumerate(make_examples(row, arguments.rankings)):
        if name == "packed":
            responses = [np.concatenate([prompt, response]) for response in responses]
            prompt = prompt[:0]
        tokenized = TokenizedPrompt(number, str(number), prompt, responses)
        ranks = tuple(np.random.default_rng(number).permutation(row.K) + 1)
        ranking = TokenizedRanking(tokenized, tuple(range(row.K)), ranks, None)
        elements.append(Element.of([ranking]))
    for _ in range(1 + arguments.steps):
        start = now(arguments)
        accumulate_gradients(learner.losses, elements, device, config.tokens_per_batch)
        clip_grad_norm(backbone, config.max_grad_norm)
        learner.optimizer.step(1e-6)
        learner.optimizer.zero_grad()
        yield (now(arguments) - start) / len(elements)


def trl_steps(name: str, row: Row, arguments: argparse.Namespace) -> Iterator[Any]:
    # Imported here, because loading TRL would add to the peak memory of the other contenders.
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import RewardConfig, RewardTrainer

    stored = name.removeprefix("trl-stored-")
    batch = int(stored) if stored.isdecimal() else TRL_PAIRS
    pairs = [
        {
            "chosen_ids": np.concatenate([prompt, one]).tolist(),
            "rejected_ids": np.concatenate([prompt, other]).tolist(),
        }
        for prompt, responses in make_examples(row, batch)  # as many as fill whole batches
        for one, other in combinations(responses, 2)
    ]
    times: list[float] = []

    class MeasureSteps(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.start = now(arguments)

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            times.append((now(arguments) - self.start) / batch * row.pairs)

    with tempfile.TemporaryDirectory() as folder:
        config = RewardConfig(
            output_dir=folder,
            per_device_train_batch_size=batch,
            gradient_checkpointing=not stored.isdecimal(),
            max_steps=1 + arguments.steps,
            use_cpu=arguments.device == "cpu",
            bf16=is_bf16(arguments),
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_strategy="no",
        )
        trainer = RewardTrainer(
            model=make_model(arguments),
            args=config,
            train_dataset=Dataset.from_list(pairs),
            processing_class=word_tokenizer(),
            callbacks=[MeasureSteps()],
        )
        yield "sdpa"
        trainer.train()
    yield from times


if __name__ == "__main__":
    main()
