"""`manage.py serve`: the pages and the workers as processes of their own."""

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from benchmarks.installation import Connection
from benchmarks.silent import SENT, held_open
from labelapp.management.commands import serve
from tests.training.test_child_process import is_running
from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data folder of a fresh installation, to be copied."""
    folder = tmp_path_factory.mktemp("installed")
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder)}
    for command in (["migrate"], ["collectstatic", "--noinput"]):
        manage = [sys.executable, "manage.py", *command, "--verbosity", "0"]
        subprocess.run(manage, cwd=ROOT, env=environment, check=True)
    return folder


@pytest.fixture
def environment(installed: Path, tmp_path: Path) -> dict[str, str]:
    """Return the environment of an installation of the test's own: its workers are no other's."""
    shutil.copytree(installed, tmp_path, dirs_exist_ok=True)
    return {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path)}


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
    command = [sys.executable, "manage.py", "serve", "--bind", f"127.0.0.1:{port}"]
    with open(log, "wb") as file:
        process = subprocess.Popen(
            [*command, "--workers", "1"], cwd=ROOT, env=environment, stdout=file
        )
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


def children(parent: int) -> list[int]:
    """The process numbers of a process's children."""
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def web_processes(served: int) -> list[int]:
    """The process numbers of the processes that answer requests."""
    return [
        pid
        for child in children(served)
        if b"labelapp.management.granian" in Path(f"/proc/{child}/cmdline").read_bytes()
        for pid in children(child)
    ]


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
    wait_until(lambda: answers(port))
    for name in ("task worker", "training worker"):
        wait_until(lambda name=name: len(workers(log, name)) == 1)
        os.kill(workers(log, name)[0], signal.SIGKILL)
        wait_until(lambda name=name: len(workers(log, name)) == 2)
    assert answers(port)
    served.send_signal(signal.SIGTERM)
    assert served.wait(PATIENCE) == 0
    assert f"Podium is running at http://127.0.0.1:{port}/" in log.read_text()
    assert not any(alive(pid) for pid in workers(log, "(?:task|training) worker"))
    assert not answers(port)


def test_it_says_that_it_is_ready_and_that_a_worker_is_missing(
    served: "subprocess.Popen[bytes]", port: int, log: Path
) -> None:
    def status(path: str) -> int:
        connection = Connection(port, session="", timeout=PATIENCE)
        try:
            return connection.ask("GET", path).status
        except OSError:
            return 0
        finally:
            connection.drop()

    wait_until(lambda: status("/healthz") == 200)
    wait_until(lambda: status("/readyz") == 200)
    served.send_signal(signal.SIGSTOP)  # so that it starts no other worker
    try:
        os.kill(workers(log, "training worker")[0], signal.SIGKILL)
        wait_until(lambda: status("/readyz") == 503)
        assert status("/healthz") == 200
    finally:
        served.send_signal(signal.SIGCONT)
    wait_until(lambda: status("/readyz") == 200)


def test_a_web_process_that_dies_is_started_again(
    served: "subprocess.Popen[bytes]", port: int
) -> None:
    wait_until(lambda: answers(port))
    (first,) = web_processes(served.pid)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: first not in web_processes(served.pid) and answers(port))


def command_line(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def reward_services(served: int) -> list[str]:
    """The addresses of the reward services."""
    lines = [command_line(child) for child in children(served)]
    return [line[-2].decode() for line in lines if b"training.serve" in line]


def test_the_reward_service_runs_beside_the_pages_and_asks_for_a_token(
    served: "subprocess.Popen[bytes]",
) -> None:
    wait_until(lambda: reward_services(served.pid))
    [address] = reward_services(served.pid)
    connection = Connection(int(address.rpartition(":")[2]), session="", timeout=PATIENCE)

    def status(path: str) -> int:
        try:
            return connection.ask("GET", path).status
        except OSError:
            return 0

    wait_until(lambda: status("/ready") == 200)
    assert status("/projects/kitchen/v1/models") == 401


def ends_after(seconds: float) -> "subprocess.Popen[bytes]":
    """A process that needs so many seconds to end after SIGTERM, once it has said that it runs."""
    program = (
        "import signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (time.sleep({seconds}), sys.exit(0)))\n"
        "print(flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_the_reward_service_has_the_time_to_answer_that_it_gives_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [helper] = serve.reward_service(None)
    assert f"--stop-seconds={serve.STOP_REWARDS_SECONDS}" in helper.command
    assert helper.stop_seconds > serve.STOP_REWARDS_SECONDS
    monkeypatch.setattr(serve, "STOP_SECONDS", 1.5)
    processes = {name: ends_after(4.0) for name in ("reward service", "web")}
    serve.stop(processes, {"reward service": PATIENCE})
    assert processes["reward service"].wait(PATIENCE) == 0
    assert processes["web"].wait(PATIENCE) == -signal.SIGKILL


def test_the_usual_address_of_the_reward_service_may_be_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setattr(serve, "REWARDS", f"127.0.0.1:{other.getsockname()[1]}")
        [helper] = serve.reward_service(None)
    assert helper.tells_web["REWARD_SERVER_URL"] != f"http://{serve.REWARDS}"
    assert helper.command[-1] in helper.tells_web["REWARD_SERVER_URL"]
    assert helper.env["REWARD_SERVER_TOKEN"] == helper.tells_web["REWARD_SERVER_TOKEN"]


def test_what_has_expired_is_deleted(
    environment: dict[str, str], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    row = "INSERT INTO labelapp_signinfailures (key, count, last_at) VALUES ('k', 1, '2026-01-01')"
    with closing(sqlite3.connect(tmp_path / "podium.sqlite3")) as database:
        database.execute(row)
        database.commit()
        request.getfixturevalue("served")
        count = "SELECT count(*) FROM labelapp_signinfailures"
        wait_until(lambda: database.execute(count).fetchone() == (0,))


def descendants(parent: int) -> list[int]:
    """The process numbers of a process's children, and theirs."""
    return [pid for child in children(parent) for pid in [child, *descendants(child)]]


def test_a_serve_that_is_killed_takes_its_processes_along_and_the_next_one_starts(
    served: "subprocess.Popen[bytes]", environment: dict[str, str], port: int, log: Path
) -> None:
    wait_until(lambda: answers(port))
    wait_until(lambda: len(workers(log, "(?:task|training) worker")) == 2)
    started = descendants(served.pid)
    assert len(started) >= 4  # granian, its process, two workers, and what cleans up
    served.kill()
    served.wait()
    command = [sys.executable, "manage.py", "serve", "--bind", f"127.0.0.1:{port}"]
    again = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: not any(is_running(pid) for pid in started))
        wait_until(lambda: answers(port))
        assert again.poll() is None
    finally:
        again.terminate()
        again.wait(PATIENCE)


def test_a_granian_that_is_killed_takes_its_processes_along(
    served: "subprocess.Popen[bytes]", port: int
) -> None:
    wait_until(lambda: answers(port))
    (web,) = web_processes(served.pid)
    (granian,) = [pid for pid in children(served.pid) if web in children(pid)]
    os.kill(granian, signal.SIGKILL)
    assert served.wait(PATIENCE) == 1
    wait_until(lambda: not is_running(web))


def test_a_page_answers_while_connections_send_nothing(
    served: "subprocess.Popen[bytes]", port: int
) -> None:
    wait_until(lambda: answers(port))
    with ExitStack() as held:
        for sent in ("silent", "half a head", "half a body"):
            held.enter_context(held_open(port, 64, SENT[sent]))
        connection = Connection(port, session="", timeout=PATIENCE)
        for _ in range(10):
            assert connection.ask("GET", "/sign-in/").status == 200
            connection.drop()
        served.terminate()
        assert served.wait(PATIENCE) == 0


def test_no_browser_mixes_the_scripts_of_two_releases(
    environment: dict[str, str], tmp_path: Path
) -> None:
    hashed = list((tmp_path / "static/js").rglob("*.*.js"))
    imported = [
        (script.parent / path).resolve()
        for script in hashed
        for path in re.findall(r'from "(\.[^"]+)";', script.read_text())
    ]
    assert len({path.parent for path in imported}) > 1
    assert set(imported) <= set(hashed)


def refused(environment: dict[str, str], bind: str) -> "subprocess.CompletedProcess[str]":
    """Return the error of `serve` for an address that it cannot have."""
    return subprocess.run(
        [sys.executable, "manage.py", "serve", "--bind", bind],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_taken_port_ends_the_command_and_says_what_to_do(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        done = refused(environment, bind)
    assert done.returncode == 1
    assert done.stderr == (
        f"CommandError: {bind} cannot be used: Address already in use; "
        "choose another address with --bind (make: BIND=127.0.0.1:8001)\n"
    )


def test_two_installations_do_not_share_a_port(
    served: "subprocess.Popen[bytes]", environment: dict[str, str], port: int
) -> None:
    wait_until(lambda: answers(port))
    done = refused(environment, f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert "Address already in use" in done.stderr
    assert answers(port)


@pytest.mark.parametrize(
    ("bind", "reason"),
    [
        ("127.0.0.1", "'127.0.0.1' is not HOST:PORT with a port from 1 to 65535"),
        ("127.0.0.1:http", "'127.0.0.1:http' is not HOST:PORT with a port from 1 to 65535"),
        ("127.0.0.1:65536", "'127.0.0.1:65536' is not HOST:PORT with a port from 1 to 65535"),
        ("no.such.invalid:80", "'no.such.invalid' is neither an IP address nor a name"),
    ],
)
def test_an_address_that_is_none_is_refused(
    environment: dict[str, str], bind: str, reason: str
) -> None:
    done = refused(environment, bind)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        f"manage.py serve: error: argument --bind: {reason}"
    )


@pytest.mark.parametrize(
    ("bind", "host"),
    [
        ("localhost:80", ("127.0.0.1", "::1")),
        ("[::1]:80", ("::1",)),
        (":80", ("0.0.0.0",)),  # noqa: S104 - what is asked for
    ],
)
def test_an_address_may_be_a_name_or_ipv6_or_every_one(bind: str, host: tuple[str, ...]) -> None:
    found = serve.address(bind)
    assert found.host in host
    assert found.port == 80
