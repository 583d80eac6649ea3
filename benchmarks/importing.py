"""Measure how many prompts per second `manage.py import_prompts` imports into SQLite.

    .venv/bin/python benchmarks/importing.py [--prompts 20000] [--repeats 5]

Each prompt has 20 words and 6 responses of 60 words. Each repeat imports the file into a new
database, with the real command in its own process. The time is the one that the command prints.
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def write_prompts(path: Path, count: int) -> None:
    rng = random.Random(0)
    words = ["".join(rng.choices(LETTERS, k=rng.randint(2, 9))) for _ in range(5000)]
    with open(path, "w", encoding="utf-8") as file:
        for i in range(count):
            responses = [
                {"id": f"r{k}", "text": " ".join(rng.choices(words, k=60)), "source": f"model {k}"}
                for k in range(6)
            ]
            line = {"id": f"p{i}", "prompt": " ".join(rng.choices(words, k=20))}
            file.write(json.dumps(line | {"responses": responses}) + "\n")


def import_once(path: Path, folder: str) -> float:
    """Import a file into a new database, and return the seconds that the command reports."""
    environment = os.environ | {"DATA_DIR": folder}

    def manage(*command: str) -> str:
        return subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    manage("migrate", "--verbosity", "0")
    manage("create_project", "bench")
    output = manage("import_prompts", str(path), "--project", "bench")
    seconds = re.search(r"lines in ([\d.]+) s", output)
    if seconds is None:
        raise SystemExit(f"the import printed no time: {output}")
    return float(seconds[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prompts.jsonl"
        write_prompts(path, options.prompts)
        size = path.stat().st_size / 2**20
        print(f"{options.prompts:,} prompts with 6 responses, {size:.0f} MiB")
        rates = []
        for repeat in range(options.repeats):
            seconds = import_once(path, f"{folder}/{repeat}")
            rates.append(options.prompts / seconds)
            print(f"  {seconds:.1f} s, {rates[-1]:,.0f} prompts a second")
    print(f"median {statistics.median(rates):,.0f} prompts a second")


if __name__ == "__main__":
    main()
