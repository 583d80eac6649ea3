"""benchmarks/gpu.sh runs on a CPU as well, and reports what failed and what it left out."""

import argparse
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks.gpu import service
from benchmarks.measuring import run

ROOT = Path(__file__).resolve().parents[2]


def gpu(output: Path, *options: str) -> tuple[int, dict, str]:
    """Return the exit status, the JSON and the Markdown of a run on the CPU."""
    command = ["benchmarks/gpu.sh", *options, "--device=cpu", "--small", "--output", str(output)]
    environment = os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    values = json.loads((output / "gpu.json").read_text())
    return done.returncode, values, (output / "gpu.md").read_text()


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """Return a folder with the wheel of an empty package."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "probe-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("probe.py", "")
        wheel.writestr(
            "probe-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n"
        )
        wheel.writestr(
            "probe-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr("probe-1.0.dist-info/RECORD", "")
    return folder


def test_all_parts_run_on_a_cpu(tmp_path: Path, wheels: Path) -> None:
    status, values, page = gpu(tmp_path, "--wheels", str(wheels), "--minutes", "60")
    tables = values["tables"]
    assert (status, values["failures"], values["left_out"]) == (0, [], [])
    facts = {row["name"]: row["value"] for row in tables["Environment"]}
    assert (facts["device"], facts["carried"]) == ("cpu, float32", "probe 1.0")
    assert {row["result"] for row in tables["Equality"]} == {"equal"}
    assert {row["attention"] for row in tables["Equality"]} == {"blocks", "dense", "auto"}
    steps = {row["contender"]: row for row in tables["Training, K,P,R = 3,8,8"]}
    assert list(steps) == ["padded", "shared", "trl"]
    assert steps["padded"]["speed / padded"] == 1
    assert [row["tokens/ranking"] for row in steps.values()] == [48, 32, 96]
    for row in steps.values():
        assert min(row["rankings/s"], row["tokens/s"], row["% of peak"], row["peak MiB"]) > 0
    for row in tables["Killed and resumed"]:
        assert row["largest difference of a step's loss"] == 0.0
        assert row["held-out loss"] == row["uninterrupted"]
    assert [row["device"] for row in tables["On the GPU and on the CPU"]] == ["cpu"]
    assert tables["On the GPU and on the CPU"][0]["held-out accuracy"] > 0.5
    scoring = {row["contender"]: row for row in tables["Scoring"]}
    assert list(scoring) == ["ours", "pipeline, batches of 3"]
    assert max(row["rewards differ by"] for row in scoring.values()) < 1e-5
    rates = tables["The reward service"]
    assert [(row["run"], row["clients"]) for row in rates] == [
        ("default run", 1),
        ("default run", 8),
    ]
    for row in rates:
        assert row["responses/s"] == pytest.approx(9 * row["requests/s"])
        assert 0 < row["median ms"] <= row["p99 ms"]
        assert row["peak MiB"] > 0
    for name in tables:
        assert f"## {name}\n\n| " in page


def test_without_time_everything_is_left_out(tmp_path: Path) -> None:
    status, values, page = gpu(tmp_path, "--minutes", "0")
    assert (status, values["tables"]) == (1, {})
    assert values["left_out"][:2] == ["Environment: environment", "Equality: equality"]
    assert "On the GPU and on the CPU: default run" in values["left_out"]
    assert "Left out for lack of time: Environment: environment; " in page


def test_a_job_that_fails_gives_its_rows_and_says_why() -> None:
    rows, failure, errors = run(["-c", "print('{\"a\": 1}'); import not_there"])
    assert rows == [{"a": 1}]
    assert failure == "ModuleNotFoundError: No module named 'not_there'"
    assert errors.startswith("Traceback")


def test_a_job_that_takes_too_long_is_ended_with_its_children() -> None:
    program = (
        "import subprocess, sys, time\n"
        "print('{\"a\": 1}', flush=True)\n"
        "subprocess.run([sys.executable, '-c', 'import time; time.sleep(1000)'])\n"
    )
    # The output ends only when the child, which holds it open too, has ended.
    assert run(["-c", program], seconds=3)[:2] == ([{"a": 1}], "took longer than 3 seconds")


def test_without_its_packages_the_service_is_left_out_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(service, "PACKAGES", ("torch", "not_there", "nor_this"))
    service.measure_service(argparse.Namespace(output=tmp_path, device="cpu", small=True))
    row = json.loads(capsys.readouterr().out)
    assert row["skipped"] == "the service needs not_there, nor_this"
