"""Measure the peak memory and time of a training run, with few and with many rankings.

    .venv/bin/python benchmarks/memory.py [--rankings 10000 200000] [--steps 500]

Each prompt has 6 responses of 5 to 30 words and four rankings of 4 to 6 of them. Each run is the
real command in its own process, first with an empty token cache, then with a filled one. "peak" is
the largest resident set according to the kernel, including the pages of memory-mapped files.
"anonymous" excludes them and is sampled every 20 ms. With --steps 0, a run trains on all rankings
once.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RANKINGS_PER_PROMPT = 4
MODEL = [
    "--backbone=transformer",
    "--width",
    "32",
    "--vocabulary",
    "4096",
    "--epochs",
    "1",
    "--log-every",
    "100",
]


def write_rankings(path: Path, count: int) -> None:
    rng = random.Random(0)
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(20_000)]

    def text() -> str:
        return " ".join(rng.choices(words, k=rng.randint(5, 30)))

    with open(path, "w", encoding="utf-8") as file:
        for number in range(count):
            if number % RANKINGS_PER_PROMPT == 0:
                prompt = text()
                responses = [{"id": f"r{k}", "text": text()} for k in range(6)]
            ranked = rng.sample(responses, rng.randint(4, 6))
            groups = [[response["id"]] for response in rng.sample(ranked, len(ranked))]
            line = {"prompt": prompt, "responses": ranked, "ranking": groups}
            line["labeller"] = f"labeller {number % RANKINGS_PER_PROMPT}"
            file.write(json.dumps(line) + "\n")


def train(rankings: Path, folder: Path, steps: int) -> dict[str, float]:
    """Return the MiB and seconds of a run; "loading" is the time until its first evaluation."""
    command = [sys.executable, "-m", "training.train", "--rankings", str(rankings), *MODEL]
    command += ["--run-folder", str(folder), "--max-steps", str(steps)]
    started = time.monotonic()
    with open(folder.parent / "log.txt", "a") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    anonymous, loading = 0.0, 0.0
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        anonymous = max(anonymous, resident(process.pid))
        if not loading and progress(folder) in ("training", "evaluating"):
            loading = time.monotonic() - started
        time.sleep(0.02)
    if status:
        raise SystemExit(f"the run failed:\n{(folder.parent / 'log.txt').read_text()[-2000:]}")
    return {
        "peak": usage.ru_maxrss / 1024,
        "anonymous": anonymous,
        "loading": loading,
        "seconds": time.monotonic() - started,
    }


def resident(pid: int) -> float:
    """Return the anonymous memory of a process in MiB, or 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


def progress(folder: Path) -> str:
    try:
        state: str = json.loads((folder / "progress.json").read_text())["state"]
    except (OSError, ValueError):
        return ""
    return state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rankings", type=int, nargs="+", default=[10_000, 200_000])
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()
    print(
        f"{'rankings':>10} {'cache':>6} {'peak':>9} {'anonymous':>10} {'loading':>8} {'total':>8}"
    )
    peaks: dict[str, list[float]] = {"empty": [], "filled": []}
    with tempfile.TemporaryDirectory() as name:
        for count in options.rankings:
            rankings = Path(name) / f"{count}.jsonl"
            write_rankings(rankings, count)
            for cache, found in peaks.items():
                run = train(rankings, Path(name) / str(count), options.steps)
                found.append(run["peak"])
                print(
                    f"{count:10,} {cache:>6} {run['peak']:5.0f} MiB {run['anonymous']:6.0f} MiB"
                    f" {run['loading']:6.1f} s {run['seconds']:6.1f} s",
                    flush=True,
                )
    for cache, found in peaks.items():
        print(f"cache {cache}: peak {found[-1] / found[0]:.2f} times that of the fewest rankings")


if __name__ == "__main__":
    main()
