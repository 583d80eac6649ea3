"""Helpers of the benchmarks of training and scoring: models, clocks, processes and tables."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, GPT2Config, LlamaConfig

from benchmarks.words import PAD, VOCABULARY
from training.child_process import for_child

ROOT = Path(__file__).resolve().parent.parent
LLAMA_1B = {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "max_position_embeddings": 8192,
}
TINY = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,  # FlexAttention's least
}
Rows = list[dict[str, Any]]


# Models


def add_machine_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--architecture", choices=("gpt2", "llama-1b", "tiny"), default="gpt2")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("auto", "float32", "bf16"), default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: processor time divided by the threads, for a CPU that others use as well",
    )


def machine_options(arguments: argparse.Namespace) -> list[str]:
    """Return the arguments of add_machine_arguments as a command line."""
    names = ("architecture", "device", "precision", "threads", "clock")
    return [f"--{name}={getattr(arguments, name)}" for name in names]


def model_config(architecture: str) -> Any:
    more = {"vocab_size": VOCABULARY + 1, "num_labels": 1, "pad_token_id": PAD}
    if architecture == "gpt2":
        return GPT2Config(attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0, **more)
    return LlamaConfig(**(LLAMA_1B if architecture == "llama-1b" else TINY), **more)


def make_model(arguments: argparse.Namespace) -> Any:
    """Return a model with random weights in float32, made on its device."""
    torch.manual_seed(0)
    with torch.device(arguments.device):
        return AutoModelForSequenceClassification.from_config(
            model_config(arguments.architecture), attn_implementation="sdpa"
        )


def is_bf16(arguments: argparse.Namespace) -> bool:
    return arguments.precision == "bf16" or (
        arguments.precision == "auto" and arguments.device == "cuda"
    )


# Time and memory


def now(arguments: argparse.Namespace) -> float:
    """Return the time in seconds at which the device has done all its work."""
    if arguments.device == "cuda":
        torch.cuda.synchronize()
    if arguments.clock == "cpu":
        return time.process_time() / arguments.threads
    return time.perf_counter()


def peak_memory(arguments: argparse.Namespace) -> float:
    """Return the peak memory of this process in MiB: its tensors on a GPU, or VmHWM on a CPU."""
    if arguments.device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return peak_resident("self")


def peak_resident(process: int | str) -> float:
    """Return the most memory in MiB that a process has had on a CPU (VmHWM of proc_pid_status)."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**10


# Processes


def send(row: dict[str, Any]) -> None:
    """Print a row for the process that called `run`."""
    print(json.dumps(row), flush=True)


def run(command: Sequence[str], seconds: float | None = None) -> tuple[Rows, str, str]:
    """Run a Python command, and end it and its children after `seconds`.

    Return the rows that it sent, why it failed ("" if it did not), and its stderr.
    """
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=for_child({**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}),  # do not spin
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=seconds)
        failure = reason(errors, process.returncode) if process.returncode else ""
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
        failure = f"took longer than {seconds:.0f} seconds"
    rows = [json.loads(line) for line in output.splitlines() if line.startswith('{"')]
    return rows, failure, errors


def reason(errors: str, status: int) -> str:
    """Return the last line of stderr that names an error, or else the exit status."""
    named = re.findall(r"^(?:error: .*|[\w.]*(?:Error|Exception|Exit)\b.*)$", errors, re.MULTILINE)
    return str(named[-1]) if named else f"ended with status {status}"


# Tables


def markdown(rows: Rows) -> str:
    """Return rows as a table in Markdown. The columns are the keys of all rows."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[text(row.get(column, "")) for column in columns] for row in rows]
    lines = [columns, ["---"] * len(columns), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")
