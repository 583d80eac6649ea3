"""Compare the reward service with a transformers pipeline that scores one response at a time.

    .venv/bin/python benchmarks/serving.py --model var/run [--clients 8] [--overload 40]

Clients send prompts with --responses completions each, one request after the other, for --seconds.
The yardstick is a text-classification pipeline of transformers, in this process, on the same folder
and texts: it is called once for each completion, with the prompt in front, as the model's chat
template writes it. They take turns, --repeats times, and the table has the medians.

A machine that others use gives each process a part of its time, so the table also has the time that
the processors spent on a response: in the service, without its clients, and in the pipeline.

With --overload clients, the service is measured once more. It holds --most-waiting responses, so
that it has to refuse some. Every answer is counted: none may be lost, and each that is refused has
to say when to ask again. Halfway, at SIGTERM, the service has to answer what it has taken.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import torch
from transformers import pipeline

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measuring import ROOT, markdown
from training.child_process import end_with_parent, for_child
from training.data.file import FileSource

EXAMPLES = ROOT / "examples" / "stackexchange.jsonl.gz"


class Answers(NamedTuple):
    """The answers that clients got, and how long each took."""

    statuses: Counter[int]
    seconds: list[float]
    took: float


def main() -> None:
    end_with_parent()
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    words = [
        word
        for line in islice(FileSource(EXAMPLES).lines(), 50)
        for response in line.responses
        for word in response.text.split()
    ]
    rates: dict[str, list[float]] = {"service": [], "pipeline": []}
    latencies: list[float] = []
    with service(arguments) as url:
        ask(url, words, arguments, arguments.clients, 2.0)  # warms up
        for _ in range(arguments.repeats):
            found = ask(url, words, arguments, arguments.clients, arguments.seconds)
            if set(found.statuses) != {200}:
                raise SystemExit(f"error: the service answered {dict(found.statuses)}")
            rates["service"].append(len(found.seconds) * arguments.responses / found.took)
            latencies += found.seconds
            rates["pipeline"].append(pipeline_rate(words, arguments))
        loaded = ask(url, words, arguments, arguments.overload, arguments.seconds)
    medians = {name: statistics.median(found) for name, found in rates.items()}
    print(
        markdown(
            [
                {
                    "contender": name,
                    "responses/s": rate,
                    "service / this": medians["service"] / rate,
                }
                for name, rate in medians.items()
            ]
        )
    )
    print(f"{arguments.clients} clients: {times(latencies)}")
    print(f"{arguments.overload} clients: {times(loaded.seconds)}, {dict(loaded.statuses)}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True, help="folder of a run")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--overload", type=int, default=40)
    parser.add_argument("--responses", type=int, default=9)
    parser.add_argument("--prompt-words", type=int, default=60)
    parser.add_argument("--response-words", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


@contextmanager
def service(arguments: argparse.Namespace) -> Iterator[str]:
    """Start the service, and give its address."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "training.serve", "--model", arguments.model),
            *("--bind", "127.0.0.1:0", "--when-cut", "score"),
        ],
        cwd=ROOT,
        env=for_child({**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}),
        stderr=subprocess.PIPE,
        text=True,
    )
    said = process.stderr.readline() if process.stderr else ""
    try:
        yield said.split()[-1]
    finally:
        process.terminate()
        process.wait()


def request(words: list[str], arguments: argparse.Namespace, rng: random.Random) -> dict[str, Any]:
    def text(count: int) -> str:
        return " ".join(rng.choices(words, k=count))

    return {
        "prompt": text(arguments.prompt_words),
        "responses": [text(arguments.response_words) for _ in range(arguments.responses)],
    }


def ask(
    url: str, words: list[str], arguments: argparse.Namespace, clients: int, seconds: float
) -> Answers:
    """Return what clients were answered, each of which asks again as soon as it is answered."""
    ends = time.monotonic() + seconds

    def client(number: int) -> list[tuple[int, float]]:
        rng, found = random.Random(number), []
        with httpx.Client(timeout=120) as http:
            while time.monotonic() < ends:
                body = request(words, arguments, rng)
                began = time.monotonic()
                status = http.post(f"{url}/score", json=body).status_code
                found.append((status, time.monotonic() - began))
        return found

    began = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        found = [one for answers in pool.map(client, range(clients)) for one in answers]
    took = time.monotonic() - began
    return Answers(Counter(status for status, _ in found), [each for _, each in found], took)


def pipeline_rate(words: list[str], arguments: argparse.Namespace) -> float:
    """Return the responses per second of a pipeline that is given one text at a time."""
    folder = Path(arguments.model) / "model"
    score = pipeline("text-classification", model=str(folder), trust_remote_code=True)
    template, rng = score.tokenizer.apply_chat_template, random.Random(0)
    limit = getattr(score.model.config, "max_position_embeddings", 100_000)
    began, count = time.monotonic(), 0
    while time.monotonic() - began < arguments.seconds:
        body = request(words, arguments, rng)
        for response in body["responses"]:
            messages = [
                {"role": "user", "content": body["prompt"]},
                {"role": "assistant", "content": response},
            ]
            score(template(messages, tokenize=False), truncation=True, max_length=limit)
            count += 1
    return count / (time.monotonic() - began)


def times(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    middle, late = (ordered[int(part * (len(ordered) - 1))] for part in (0.5, 0.99))
    return f"{len(ordered)} requests, median {1e3 * middle:.0f} ms, p99 {1e3 * late:.0f} ms"


if __name__ == "__main__":
    main()
