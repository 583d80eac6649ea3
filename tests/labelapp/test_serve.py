"""`manage.py serve`: the pages and the workers as processes of their own."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 300.0  # seconds: a bound for the busiest machine, not a measure


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An installation of its own, so that the worker is not that of another test."""
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path)}
    for command in (["migrate"], ["collectstatic", "--noinput"]):
        manage = [sys.executable, "manage.py", *command, "--verbosity", "0"]
        subprocess.run(manage, cwd=ROOT, env=environment, check=True)
    return environment


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "serve.log"


@pytest.fixture
def served(
    environment: dict[str, str], port: int, log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    serve = [sys.executable, "manage.py", "serve", "--bind", f"127.0.0.1:{port}", "--workers", "1"]
    with open(log, "wb") as file:
        process = subprocess.Popen(serve, cwd=ROOT, env=environment, stdout=file)
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(PATIENCE)


def answers(port: int) -> bool:
    try:
        url = f"http://127.0.0.1:{port}/sign-in/"
        with urllib.request.urlopen(url, timeout=PATIENCE) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def workers(log: Path, name: str) -> list[int]:
    """The process numbers of the workers of that name so far."""
    return [int(pid) for pid in re.findall(rf"The {name} is process (\d+)", log.read_text())]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_pages_stay_when_a_worker_dies_and_all_ends_together(
    served: "subprocess.Popen[bytes]", port: int, log: Path
) -> None:
    assert wait_for(lambda: answers(port))
    for name in ("task worker", "training worker"):
        assert wait_for(lambda name=name: len(workers(log, name)) == 1)
        os.kill(workers(log, name)[0], signal.SIGKILL)
        assert wait_for(lambda name=name: len(workers(log, name)) == 2)
    assert answers(port)
    served.send_signal(signal.SIGTERM)
    assert served.wait(PATIENCE) == 0
    assert f"Podium is at http://127.0.0.1:{port}/" in log.read_text()
    assert not any(alive(pid) for pid in workers(log, "(?:task|training) worker"))
    assert not answers(port)


def test_no_browser_mixes_the_scripts_of_two_releases(
    environment: dict[str, str], tmp_path: Path
) -> None:
    hashed = list((tmp_path / "static/js/labelling").glob("*.*.js"))
    page = next(p for p in hashed if p.name.startswith("page."))
    imported = re.findall(r'from "\./([^"]+)"', page.read_text())
    assert imported
    assert set(imported) <= {p.name for p in hashed}


def test_a_taken_port_ends_the_command_and_says_what_to_do(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "manage.py", "serve", "--bind", bind],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    assert "if the address is in use, choose another with --bind" in done.stderr
