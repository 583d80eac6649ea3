"""Measure the reward service on the run just trained."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

from benchmarks.gpu.runs import DEFAULTS, trained_folder
from benchmarks.load import ask, cpu_seconds, example_words, percentiles, service
from benchmarks.measuring import peak_resident, send

PACKAGES = (
    *("uvicorn", "click", "h11", "starlette", "anyio", "idna", "prometheus_client", "sqlalchemy"),
    *("pydantic", "pydantic_core", "annotated_types", "typing_inspection"),
)
"""What the service imports beside torch and transformers."""
CLIENTS = (1, 8, 32)
RESPONSES, WORDS = 9, 60
"""Responses of a request, and words of its prompt and of each response."""
WARM_UP_SECONDS = 2.0


def measure_service(arguments: argparse.Namespace) -> None:
    """Send the rates of the service by clients at a time, or why there are none."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        send({"run": "–", "skipped": f"the service needs {', '.join(missing)}"})
        return
    folders = {kind: trained_folder(kind, arguments) for kind in DEFAULTS}
    trained = {kind: folder for kind, folder in folders.items() if folder.is_dir()}
    if not trained:
        send({"run": "–", "skipped": "no run was trained"})
    for kind, folder in trained.items():
        serve(kind, folder, arguments)


def serve(kind: str, folder: Path, arguments: argparse.Namespace) -> None:
    words = example_words()
    sizes = {"responses": RESPONSES, "prompt_words": WORDS, "response_words": WORDS}
    body = argparse.Namespace(**sizes)
    seconds = 1.0 if arguments.small else 5.0
    options = ("--device", arguments.device)
    with service(folder / "run", arguments.threads, *options) as (process, url):
        ask(url, words, body, CLIENTS[-1], WARM_UP_SECONDS)
        for clients in CLIENTS[:2] if arguments.small else CLIENTS:
            before = cpu_seconds(process.pid)
            answers = ask(url, words, body, clients, seconds)
            spent = cpu_seconds(process.pid) - before
            if set(answers.statuses) != {200}:
                raise SystemExit(f"error: the service answered {dict(answers.statuses)}")
            responses = len(answers.all) * RESPONSES
            median, late = percentiles(answers.seconds)
            send(
                {
                    "run": kind,
                    "device": arguments.device,
                    "clients": clients,
                    "requests/s": len(answers.all) / answers.took,
                    "responses/s": responses / answers.took,
                    "median ms": median,
                    "p99 ms": late,
                    "CPU ms/response": 1e3 * spent / responses,
                    "peak MiB": peak_resident(process.pid),
                }
            )
