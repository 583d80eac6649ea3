"""Compare a training step on the pairs of TRL with one in each of our two layouts.

    make bench-training
    .venv/bin/python benchmarks/training.py [--repeats 5] [--rows 4,64,128 9,256,128]
    .venv/bin/python benchmarks/training.py --device cuda --architecture llama-1b --rankings 64

Each row (K,P,R) has rankings of K responses (no ties) of R tokens to prompts of P tokens. Tokens
and weights are random, because the time does not depend on them. Every contender runs in its own
process and warms up once. Then they take turns, so that a slower machine affects all of them.

trl      RewardTrainer on the K(K-1)/2 pairs of each ranking, 8 pairs per step, with its defaults
         except for float32 where ours has it; its callbacks measure the steps
padded   our step, with one row per response
shared   our step, with each prompt once per ranking

The time is that of a whole step with the update of AdamW. Our steps have --rankings rankings (64 by
default in a run, which would share the update). "of peak" is the fraction of the measured rate of a
large matrix product. It counts 6 operations per token and weight of the linear layers, and 12 per
layer, hidden dimension and pair of tokens that attend to each other (Chowdhery et al. 2022, arXiv
2204.02311, appendix B), for all tokens that the contender computes, with padding and without
recomputation.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from transformers import (
    AutoModelForSequenceClassification,
    GPT2Config,
    LlamaConfig,
)

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.words import END, PAD, VOCABULARY, word_tokenizer
from training.backbones.onednn import product
from training.backbones.pretrained import PretrainedBackbone
from training.config import TrainConfig
from training.data.dataset import TokenizedPrompt, TokenizedRanking
from training.distributed.device import Device
from training.loop.step import Learner, accumulate_gradients, clip_grad_norm

ROWS = ("4,64,128", "6,64,128", "9,128,128", "9,256,128")
CONTENDERS = ("trl", "padded", "shared")
TRL_PAIRS = 8


class Row(NamedTuple):
    K: int
    P: int
    R: int

    @property
    def pairs(self) -> int:
        return self.K * (self.K - 1) // 2


def main() -> None:
    arguments = parse()
    if arguments.worker:
        WORKERS[arguments.worker](arguments, Row(*map(int, arguments.rows[0].split(","))))
        return
    print(
        f"{platform.processor() or platform.machine()}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}, {arguments.architecture}, "
        f"{arguments.device} {arguments.precision}, {arguments.threads} threads, "
        f"medians of {arguments.repeats}"
    )
    for text in arguments.rows:
        show(Row(*map(int, text.split(","))), measure(text, arguments), arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", nargs="+", default=ROWS, metavar="K,P,R")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    parser.add_argument("--rankings", type=int, default=8, help="rankings in one of our steps")
    parser.add_argument("--architecture", choices=("gpt2", "llama-1b"), default="gpt2")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("auto", "float32", "bf16"), default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--worker", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    return arguments


# The process that measures


def measure(row: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the turns and peak memory of each contender, and the matrix rate between turns."""
    workers = {name: start(name, row, arguments) for name in arguments.contenders}
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in workers}
    rates = []
    for repeat in range(arguments.repeats + 1):
        for name, worker in workers.items():
            turn = take_turn(worker)
            if repeat:  # the first warms up
                turns[name].append(turn)
        rates.append(matrix_rate(arguments))
    peaks = {name: stop(worker) for name, worker in workers.items()}
    return {"turns": turns, "rate": statistics.median(rates), "peaks": peaks}


def start(name: str, row: str, arguments: argparse.Namespace) -> subprocess.Popen[str]:
    passed = [
        f"--{key}={getattr(arguments, key)}"
        for key in ("rankings", "architecture", "device", "precision", "threads")
    ]
    # Waiting threads must not spin during the turn of another contender.
    environment = os.environ | {
        "OMP_WAIT_POLICY": "PASSIVE",
        "OMP_NUM_THREADS": str(arguments.threads),
    }
    command = [sys.executable, __file__, f"--worker={name}", "--rows", row, *passed]
    worker = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    read(worker)  # wait until it is ready
    return worker


def take_turn(worker: subprocess.Popen[str]) -> dict[str, float]:
    worker.stdin.write("go\n")
    worker.stdin.flush()
    return read(worker)


def stop(worker: subprocess.Popen[str]) -> float:
    """Stop a worker, and return its peak memory in MiB."""
    worker.stdin.close()
    peak = read(worker)["peak"]
    worker.wait()
    return peak


def read(worker: subprocess.Popen[str]) -> dict[str, float]:
    """Return the next line of JSON, and skip the output of libraries."""
    for line in worker.stdout:
        if line.startswith("{"):
            return json.loads(line)
    raise SystemExit(f"a worker ended early: {' '.join(worker.args)}")


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
    return max(2 * size**3 / seconds(each, one, other, arguments) for each in products)


def seconds(function: Any, one: Any, other: Any, arguments: argparse.Namespace) -> float:
    times = []
    for _ in range(8):
        start = now(arguments)
        function(one, other)
        times.append(now(arguments) - start)
    return statistics.median(times[2:])


def show(row: Row, found: dict[str, Any], arguments: argparse.Namespace) -> None:
    print(f"\nK={row.K} P={row.P} R={row.R}: matrix rate {found['rate'] / 1e9:,.0f} GFLOP/s")
    print("            s/ranking  tokens/ranking  of peak  peak memory  time / shared")
    medians = {
        name: statistics.median(turn["seconds"] for turn in turns)
        for name, turns in found["turns"].items()
    }
    for name, value in medians.items():
        tokens, seen = computed(name, row)
        share = operations(tokens, seen, arguments) / value / found["rate"]
        ratio = value / medians["shared"] if "shared" in medians else float("nan")
        print(
            f"  {name:8} {value:10.3f} {tokens:15,} {share:8.0%} {found['peaks'][name]:8,.0f} MiB"
            f" {ratio:12.1f} x"
        )


def computed(name: str, row: Row) -> tuple[int, int]:
    """Return the tokens and the pairs of attending tokens that a contender computes per ranking."""
    K, P, R = row
    if name == "shared":
        return P + K * R, P * P // 2 + K * (P * R + R * R // 2)
    sequences = K if name == "padded" else 2 * row.pairs
    return sequences * (P + R), sequences * (P + R) ** 2 // 2


def operations(tokens: int, seen: int, arguments: argparse.Namespace) -> float:
    """Return the operations of the matrix products of both passes, without recomputation."""
    config = model_config(arguments)
    D, layers = config.hidden_size, config.num_hidden_layers
    return 6 * layers * weights_of_layer(config) * tokens + 12 * layers * D * seen


def weights_of_layer(config: Any) -> int:
    D = config.hidden_size
    if config.model_type == "gpt2":
        return 12 * D * D
    into = D * config.head_dim * (config.num_attention_heads + 2 * config.num_key_value_heads)
    out = D * config.head_dim * config.num_attention_heads
    return into + out + 3 * D * config.intermediate_size


# The contenders


def model_config(arguments: argparse.Namespace) -> Any:
    more = {"vocab_size": VOCABULARY + 1, "num_labels": 1, "pad_token_id": PAD}
    if arguments.architecture == "gpt2":
        return GPT2Config(attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0, **more)
    return LlamaConfig(
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=16,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=64,
        max_position_embeddings=8192,
        **more,
    )


def make_model(arguments: argparse.Namespace) -> Any:
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(
        model_config(arguments), attn_implementation="sdpa"
    )
    return model.to(arguments.device)


def make_examples(row: Row, count: int) -> list[tuple[np.ndarray, list[np.ndarray]]]:
    rng = np.random.default_rng(0)

    def tokens(length: int) -> np.ndarray:
        return rng.integers(0, END, size=length).astype(np.int32)

    def response() -> np.ndarray:
        return np.append(tokens(row.R - 1), np.int32(END))

    return [(tokens(row.P), [response() for _ in range(row.K)]) for _ in range(count)]


def run_ours(layout: str, arguments: argparse.Namespace, row: Row) -> None:
    config = TrainConfig(
        backbone="pretrained",
        layout=layout,
        device=arguments.device,
        precision=arguments.precision,
    )
    device = Device.choose(config)
    device.keep_freed_memory()
    config = device.complete(config)
    model = make_model(arguments)
    backbone = PretrainedBackbone(model.train(), None, layout)
    learner = Learner.create(backbone, config, device)
    rankings = []
    for number, (prompt, responses) in enumerate(make_examples(row, arguments.rankings)):
        tokenized = TokenizedPrompt(number, str(number), prompt, responses)
        ranks = tuple(np.random.default_rng(number).permutation(row.K) + 1)
        rankings.append(TokenizedRanking(tokenized, tuple(range(row.K)), ranks, None))
    turns = iter(sys.stdin.readline, "")
    send({"ready": 1})
    for _ in turns:
        start = now(arguments)
        accumulate_gradients(learner.losses, rankings, device, config.tokens_per_batch)
        clip_grad_norm(backbone, config.max_grad_norm)
        learner.optimizer.step(1e-6)
        learner.optimizer.zero_grad()
        send({"seconds": (now(arguments) - start) / len(rankings)})
    send({"peak": peak_memory(arguments)})


def run_trl(arguments: argparse.Namespace, row: Row) -> None:
    # Imported here, because loading TRL would add to the peak memory of the other contenders.
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import RewardConfig, RewardTrainer

    pairs = [
        {
            "chosen_ids": np.concatenate([prompt, one]).tolist(),
            "rejected_ids": np.concatenate([prompt, other]).tolist(),
        }
        for prompt, responses in make_examples(row, TRL_PAIRS)  # as many as fill whole batches
        for one, other in combinations(responses, 2)
    ]

    class TakeTurns(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if not sys.stdin.readline():
                send({"peak": peak_memory(arguments)})
                os._exit(0)
            self.start = now(arguments)

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            send({"seconds": (now(arguments) - self.start) / TRL_PAIRS * row.pairs})

    config = RewardConfig(
        output_dir=tempfile.gettempdir(),  # nothing is saved
        per_device_train_batch_size=TRL_PAIRS,
        max_steps=10**6,
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
        callbacks=[TakeTurns()],
    )
    send({"ready": 1})
    trainer.train()


def is_bf16(arguments: argparse.Namespace) -> bool:
    return arguments.precision == "bf16" or (
        arguments.precision == "auto" and arguments.device == "cuda"
    )


def now(arguments: argparse.Namespace) -> float:
    if arguments.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_memory(arguments: argparse.Namespace) -> float:
    """Return the peak memory of the GPU or else of this process (VmHWM), in MiB."""
    if arguments.device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**10


def send(values: dict[str, float]) -> None:
    print(json.dumps(values), flush=True)


WORKERS = {
    "trl": run_trl,
    "padded": partial(run_ours, "padded"),
    "shared": partial(run_ours, "shared"),
}

if __name__ == "__main__":
    main()
