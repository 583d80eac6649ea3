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
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import torch
from transformers import Pipeline, pipeline

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measuring import ROOT, markdown
from training.child_process import end_with_parent, for_child
from training.data.file import FileSource

EXAMPLES = ROOT / "examples" / "stackexchange.jsonl.gz"
ON_ITS_WAY = 0.2
"""Seconds before SIGTERM within which a request may not have reached the service."""


class Answer(NamedTuple):
    """The status of an answer, or None where the connection ended without one."""

    status: int | None
    sent: float
    seconds: float
    retry_after: str | None = None


class Answers(NamedTuple):
    """The answers that clients got, and the time that all took."""

    all: list[Answer]
    took: float

    @property
    def statuses(self) -> Counter[int | None]:
        return Counter(one.status for one in self.all)

    @property
    def seconds(self) -> list[float]:
        """Return how long each rewarded request took."""
        return [one.seconds for one in self.all if one.status == 200]


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
    with service(arguments) as (process, url):
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
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--overload", type=int, default=40)
    parser.add_argument("--most-waiting", type=int, default=144, help="responses that may wait")
    parser.add_argument("--responses", type=int, default=9)
    parser.add_argument("--prompt-words", type=int, default=60)
    parser.add_argument("--response-words", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


@contextmanager
def service(arguments: argparse.Namespace) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the service, and give its process and its address."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "training.serve", "--model", arguments.model),
            *("--bind", "127.0.0.1:0", "--when-cut", "score"),
            f"--most-waiting={arguments.most_waiting}",
        ],
        cwd=ROOT,
        env=for_child({**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}),
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = iter(process.stderr or ())
    said = next((line for line in lines if "gives rewards at" in line), "")
    if not said:
        raise SystemExit("error: the service has not started")
    try:
        yield process, said.split()[-1]
    finally:
        process.terminate()
        process.wait()


def cpu_seconds(pid: int) -> float:
    """Return the time that processors have spent on a process (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
    """Return what clients were answered, each of which asks again as soon as it is answered.

    One that is told to wait does so, and one that the service leaves does not come back.
    """
    ends = time.monotonic() + seconds

    def client(number: int) -> list[Answer]:
        rng, found = random.Random(number), []
        bodies = [request(words, arguments, rng) for _ in range(8)]
        with httpx.Client(timeout=120) as http:
            while time.monotonic() < ends:
                began = time.monotonic()
                try:
                    answer = http.post(f"{url}/score", json=rng.choice(bodies))
                except httpx.TransportError:
                    found.append(Answer(None, began, time.monotonic() - began))
                    break
                after = answer.headers.get("retry-after")
                found.append(Answer(answer.status_code, began, time.monotonic() - began, after))
                if answer.status_code == 503:
                    time.sleep(min(float(after or 1), max(0.0, ends - time.monotonic())))
        return found

    began = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        found = [one for answers in pool.map(client, range(clients)) for one in answers]
    return Answers(found, time.monotonic() - began)


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
    ordered = sorted(seconds)
    middle, late = (ordered[int(part * (len(ordered) - 1))] for part in (0.5, 0.99))
    return f"{len(ordered)} requests, median {1e3 * middle:.0f} ms, p99 {1e3 * late:.0f} ms"


if __name__ == "__main__":
    main()
