"""Compare the reward service with a transformers pipeline that scores one response at a time.

    .venv/bin/python benchmarks/serving.py --model var/run [--clients 8] [--overload 40]

Clients send prompts with --responses completions each, one request after the other, for --seconds.
The yardstick is a text-classification pipeline of transformers in this process, on the same folder
and the same texts, with as many threads: it is called once for each completion, with the prompt in
front, as the model's chat template writes it. They take turns, --repeats times, and the table has
the medians.

On a machine that others use, each process gets a part of its time. So the table also has the time
that the processors spent on a response: in the service, without its clients, and in the pipeline.

With --overload clients, which together ask for more than the service holds (--most-waiting), it is
measured once more, and stopped with SIGTERM at the end. Every answer is counted. 503 must tell the
client when to ask again, which it then does; no request that the service has taken may be lost.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import torch
from transformers import Pipeline, pipeline

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.load import (
    add_load_arguments,
    ask,
    cpu_seconds,
    example_words,
    percentiles,
    request,
    service,
)
from benchmarks.measuring import markdown
from training.child_process import end_with_parent

ON_ITS_WAY = 0.2
"""Seconds before SIGTERM within which a request may not have reached the service."""


def main() -> None:
    end_with_parent()
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    words = example_words()
    waiting = f"--most-waiting={arguments.most_waiting}"
    with service(arguments.model, arguments.threads, waiting) as (process, url):
        latencies = compare(arguments, words, process, url)
        print(f"{arguments.clients} clients: {times(latencies)}")
        overload(arguments, words, process, url)


def compare(
    arguments: argparse.Namespace, words: list[str], process: subprocess.Popen[str], url: str
) -> list[float]:
    """Measure the service and the pipeline in turns, and return the times of the requests."""
    folder = Path(arguments.model) / "model"
    score = pipeline("text-classification", model=str(folder), trust_remote_code=True)
    found: dict[str, list[tuple[float, float]]] = {"service": [], "pipeline": []}
    latencies: list[float] = []
    ask(url, words, arguments, arguments.clients, 2.0)  # warms up
    for _ in range(arguments.repeats):
        before = cpu_seconds(process.pid)
        answers = ask(url, words, arguments, arguments.clients, arguments.seconds)
        if set(answers.statuses) != {200}:
            raise SystemExit(f"error: the service answered {dict(answers.statuses)}")
        responses = len(answers.all) * arguments.responses
        spent = cpu_seconds(process.pid) - before
        found["service"].append((responses / answers.took, 1e3 * spent / responses))
        latencies += answers.seconds
        found["pipeline"].append(pipeline_rates(score, words, arguments))
    medians = {
        name: tuple(statistics.median(column) for column in zip(*rows, strict=True))
        for name, rows in found.items()
    }
    rate, spent = medians["service"]
    rows = [
        {
            "contender": name,
            "responses/s": its_rate,
            "service / this": rate / its_rate,
            "CPU ms/response": its_spent,
            "this / service": its_spent / spent,
        }
        for name, (its_rate, its_spent) in medians.items()
    ]
    print(markdown(rows))
    return latencies


def overload(
    arguments: argparse.Namespace, words: list[str], process: subprocess.Popen[str], url: str
) -> None:
    """Measure the service under too much load, stop it, and count what became of each request."""
    stopped: list[float] = []

    def stop() -> None:
        stopped.append(time.monotonic())
        process.terminate()

    timer = threading.Timer(arguments.seconds, stop)
    timer.start()
    answers = ask(url, words, arguments, arguments.overload, 2 * arguments.seconds)
    timer.join()
    process.wait()
    taken = [one for one in answers.all if one.sent < stopped[0] - ON_ITS_WAY]
    lost = sum(one.status is None for one in taken)
    untold = sum(one.status == 503 and one.retry_after is None for one in answers.all)
    counts = {str(status): count for status, count in answers.statuses.items()}
    print(f"{arguments.overload} clients: {times(answers.seconds)}, answers {counts}")
    print(f"of those asked before SIGTERM, {lost} lost; 503 without Retry-After: {untold}")
    print(f"the service ended {time.monotonic() - stopped[0]:.1f} s after SIGTERM at most")
    if lost or untold:
        raise SystemExit(1)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True, help="folder of a run")
    add_load_arguments(parser)
    parser.add_argument("--overload", type=int, default=40)
    parser.add_argument("--most-waiting", type=int, default=144, help="responses that may wait")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


def pipeline_rates(
    score: Pipeline, words: list[str], arguments: argparse.Namespace
) -> tuple[float, float]:
    """Return a pipeline's responses per second, one text at a time, and CPU ms per response."""
    template, rng = score.tokenizer.apply_chat_template, random.Random(0)
    limit = getattr(score.model.config, "max_position_embeddings", 100_000)
    bodies = [request(words, arguments, rng) for _ in range(8)]
    began, spent, count = time.monotonic(), time.process_time(), 0
    while time.monotonic() - began < arguments.seconds:
        body = bodies[count // arguments.responses % len(bodies)]
        response = body["responses"][count % arguments.responses]
        messages = [
            {"role": "user", "content": body["prompt"]},
            {"role": "assistant", "content": response},
        ]
        score(template(messages, tokenize=False), truncation=True, max_length=limit)
        count += 1
    spent = time.process_time() - spent
    return count / (time.monotonic() - began), 1e3 * spent / count


def times(seconds: list[float]) -> str:
    median, late = percentiles(seconds)
    return f"{len(seconds)} requests, median {median:.0f} ms, p99 {late:.0f} ms"


if __name__ == "__main__":
    main()
