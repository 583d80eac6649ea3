"""One training step, three ways, on the same rankings: TRL's pairs, and our two layouts.

    make bench-training
    .venv/bin/python benchmarks/training.py [--repeats 5] [--rows 4,64,128 9,256,128]
    .venv/bin/python benchmarks/training.py --device cuda --architecture llama-1b --rankings 64

Rankings of K responses (no ties) of R tokens each to prompts of P tokens, random tokens and random
weights: time does not depend on what they say. For each row (K,P,R) every contender runs in a
process of its own, warms up once, and then they take turns, so that a machine that slows down slows
all.

trl      RewardTrainer on the K(K-1)/2 pairs of each ranking, with its own defaults but float32
         where ours is, and 8 pairs a step; its own callbacks bracket its steps
padded   our K-wise step, one row a response
shared   our K-wise step, the prompt once a ranking

The time is that of a whole step, AdamW's update included: ours of --rankings rankings (by default a
run takes 64, over which the update would be shared out). "of peak" is the share of the measured
rate of a large matrix product: 6 operations a weight of the linear layers and token, 12 a layer,
hidden dimension and pair of tokens that see each other (Chowdhery et al. 2022, arXiv 2204.02311,
appendix B), for the tokens that the contender computes, padding included, recomputation not.
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
    parser.add_argument("--rankings", type=int, default=8, help="in one step of ours")
    parser.add_argument("--architecture", choices=("gpt2", "llama-1b"), default="gpt2")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("auto", "float32", "bf16"), default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--worker", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    return arguments


# The side that measures


def measure(row: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Each contender's turns, and the matrix rates measured between them (operations a second)."""
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
    # A waiting thread must not spin while another contender has its turn.
    environment = os.environ | {
        "OMP_WAIT_POLICY": "PASSIVE",
        "OMP_NUM_THREADS": str(arguments.threads),
    }
    command = [sys.executable, __file__, f"--worker={name}", "--rows", row, *passed]
    worker = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    read(worker)  # it is ready
    return worker


def take_turn(worker: subprocess.Popen[str]) -> dict[str, float]:
    worker.stdin.write("go\n")
    worker.stdin.flush()
    return read(worker)


def stop(worker: subprocess.Popen[str]) -> float:
    """End a worker. Its peak memory in MiB."""
    worker.stdin.close()
    peak = read(worker)["peak"]
    worker.wait()
    return peak


def read(worker: subprocess.Popen[str]) -> dict[str, float]:
    """The next line of JSON; what libraries print is passed over."""
    for line in worker.stdout:
        if line.startswith("{"):
            return json.loads(line)
    raise SystemExit(f"a worker ended: {' '.join(worker.args)}")


def matrix_rate(arguments: argparse.Namespace) -> float:
    """Operations a second of a large matrix product in the precision of the training: the better
    of torch's own and, on a CPU in float32, oneDNN's.
    """
    dtype = torch.bfloat16 if is_bf16(arguments) else torch.float32
    size = 8192 if arguments.device == "cuda" else 1536
    one, other = torch.randn(2, size, size, device=arguments.device, dtype=dtype).unbind()
    products = [torch.matmul]
    if arguments.device == "cpu" and dtype == torch.float32:
        products.append(product)
    return max(2 * size**3 / seconds(each, one, other, arguments) for each in products)


def seconds(function: Any, one: Any, other: Any, arguments: argparse.Namespace) -> float:
    found = []
    for _ in range(8):
        begun = now(arguments)
        function(one, other)
        found.append(now(arguments) - begun)
    return statistics.median(found[2:])


def show(row: Row, found: dict[str, Any], arguments: argparse.Namespace) -> None:
    print(f"\nK={row.K} P={row.P} R={row.R}: matrix rate {found['rate'] / 1e9:,.0f} GFLOP/s")
    print("            s/ranking  tokens/ranking  of peak  peak memory  speed against it")
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
    """Of a ranking, as a contender computes it: tokens, pairs of tokens that see each other."""
    K, P, R = row
    if name == "shared":
        return P + K * R, P * P // 2 + K * (P * R + R * R // 2)
    sequences = K if name == "padded" else 2 * row.pairs
    return sequences * (P + R), sequences * (P + R) ** 2 // 2


def operations(tokens: int, seen: int, arguments: argparse.Namespace) -> float:
    """Return the operations of matrix products, forward and backward, without recomputation."""
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


def work_ours(layout: str, arguments: argparse.Namespace, row: Row) -> None:
    from training.backbones.pretrained import PretrainedBackbone
    from training.config import TrainConfig
    from training.data.dataset import TokenizedPrompt, TokenizedRanking
    from training.distributed.device import Machine
    from training.loop.loss import RankingLoss
    from training.loop.optimizers import make_optimizer
    from training.loop.step import accumulate_gradients, clip_grad_norm

    config = TrainConfig(
        backbone="pretrained",
        layout=layout,
        device=arguments.device,
        precision=arguments.precision,
    )
    machine = Machine.choose(config)
    machine.keep_freed_memory()
    config = machine.complete(config)
    model = make_model(arguments)
    backbone = PretrainedBackbone(model.train(), None, layout)
    objective = RankingLoss(config)
    optimizer = make_optimizer(backbone, objective, config)
    rankings = []
    for number, (prompt, responses) in enumerate(make_examples(row, arguments.rankings)):
        tokenized = TokenizedPrompt(number, str(number), prompt, responses)
        ranks = tuple(np.random.default_rng(number).permutation(row.K) + 1)
        rankings.append(TokenizedRanking(tokenized, tuple(range(row.K)), ranks, None))
    turns = iter(sys.stdin.readline, "")
    tell({"ready": 1})
    for _ in turns:
        begun = now(arguments)
        accumulate_gradients(backbone, objective, rankings, machine, config.tokens_per_batch)
        clip_grad_norm(backbone, config.max_grad_norm)
        optimizer.step(1e-6)
        optimizer.zero_grad()
        tell({"seconds": (now(arguments) - begun) / len(rankings)})
    tell({"peak": peak_memory(arguments)})


def work_trl(arguments: argparse.Namespace, row: Row) -> None:
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import RewardConfig, RewardTrainer

    pairs = [
        {
            "chosen_ids": np.concatenate([prompt, one]).tolist(),
            "rejected_ids": np.concatenate([prompt, other]).tolist(),
        }
        for prompt, responses in make_examples(row, TRL_PAIRS)  # so that every batch is full
        for one, other in combinations(responses, 2)
    ]

    class TakeTurns(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if not sys.stdin.readline():
                tell({"peak": peak_memory(arguments)})
                os._exit(0)
            self.begun = now(arguments)

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            tell({"seconds": (now(arguments) - self.begun) / TRL_PAIRS * row.pairs})

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
    tell({"ready": 1})
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
    """MiB: of the GPU's memory, else of this process (VmHWM)."""
    if arguments.device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**10


def tell(values: dict[str, float]) -> None:
    print(json.dumps(values), flush=True)


WORKERS = {
    "trl": work_trl,
    "padded": partial(work_ours, "padded"),
    "shared": partial(work_ours, "shared"),
}

if __name__ == "__main__":
    main()
