"""What an earlier version stored is taken over: its database, sessions, runs, files and archive.

tests/earlier/make.py says how the data were made, and with which version.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForSequenceClassification

ROOT = Path(__file__).resolve().parent.parent
PACKED = ROOT / "tests" / "earlier" / "earlier.tar.gz"
SETTINGS = {
    "SECRET_KEY": "the-key-of-the-data-of-an-earlier-version",
    "DJANGO_SETTINGS_MODULE": "labelapp.settings",
    "OMP_NUM_THREADS": "1",
}
# Runs in a process of its own, on the data: the tests' own settings have another database.
CLIENTS = """
import json, sys
import django
django.setup()
from django.conf import settings
from django.test import Client
from labelapp.models import *
settings.ALLOWED_HOSTS.append("testserver")
SESSIONS = json.loads((settings.DATA_DIR / "sessions.json").read_text())
def client(name):
    made = Client()
    made.cookies["sessionid"] = SESSIONS[name]
    return made
"""


class Earlier:
    """An installation with the data of the earlier version."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def run(self, *command: str) -> str:
        kept = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "DEBUG")}
        environment = kept | SETTINGS | {"DATA_DIR": str(self.data)}
        done = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def manage(self, *arguments: str) -> str:
        return self.run("manage.py", *arguments)

    def ask(self, program: str) -> Any:
        """Run a program that may use CLIENTS, and return the JSON that it prints."""
        return json.loads(self.run("-c", CLIENTS + program))


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier")
    shutil.unpack_archive(PACKED, folder)
    made = Earlier(folder / "earlier")
    made.manage("migrate", "--verbosity", "0")
    made.manage("collectstatic", "--noinput", "--verbosity", "0")
    return made.data


@pytest.fixture
def earlier(migrated: Path, tmp_path: Path) -> Earlier:
    return Earlier(shutil.copytree(migrated, tmp_path / "earlier"))


def test_those_signed_in_stay_so_and_find_their_work(earlier: Earlier) -> None:
    found = earlier.ask("""
ann = client("ann")
page = ann.get("/projects/kitchen/labelling/")
begun = Assignment.objects.get(submitted_at=None, member__name="ann", skip_reason="")
draft = begun.draft["ranks"]
posted = {"assignment": begun.token, "seconds": 3, **{f"rank-{letter}": 1 for letter in "ABCD"}}
stored = ann.post("/projects/kitchen/labelling/", posted)
mine = ann.get("/projects/kitchen/my-work/").content.decode()
ranks = sorted(Ranking.objects.latest("pk").ranks().values())
print(json.dumps({"page": page.status_code, "draft": draft, "stored": stored.status_code,
    "ranks": ranks, "mine": mine.count("/my-work/")}))
""")
    assert found["page"] == 200
    assert found["draft"] == {"A": 1, "B": 2, "C": 3, "D": 4}
    assert found["stored"] == 302
    assert found["ranks"] == [1, 1, 1, 1]
    assert found["mine"] >= 2


def test_every_page_opens_with_what_was_stored(earlier: Earlier) -> None:
    found = earlier.ask("""
manager = client("manager")
def page(path):
    answer = manager.get(f"/projects/kitchen/{path}")
    body = b"".join(answer) if answer.streaming else answer.content
    return [answer.status_code, body.decode()]
paths = ["", "progress/", "prompts/", "people/", "settings/", "agreement/", "disagreements/",
    "runs/", "runs/1/", "runs/2/", "runs/1/log/", "reviewing/", "uploads/", "uploads/1/",
    "uploads/2/", "export/", "export/1/file/"]
print(json.dumps({path: page(path) for path in paths}))
""")
    assert {path: status for path, (status, _) in found.items() if status != 200} == {}
    assert "57.1" in found["agreement/"][1]
    assert "Stopped on request." in found["runs/2/"][1]
    assert "imported.jsonl" in found["uploads/"][1]
    assert found["export/1/file/"][1].startswith("ranking,prompt_id,")


def test_queued_tasks_are_done_by_the_new_workers(earlier: Earlier) -> None:
    earlier.manage("db_worker", "--batch", "--queue-name", "default")
    found = earlier.ask("""
from django_tasks_db.models import DBTaskResult
print(json.dumps(list(DBTaskResult.objects.values_list("status", flat=True))))
""")
    assert set(found) == {"SUCCESSFUL"}


def test_a_stopped_run_goes_on_and_a_trained_model_loads(earlier: Earlier) -> None:
    earlier.manage("train_reward", "--project", "kitchen", "--go-on")
    found = earlier.ask("""
done, resumed = TrainingRun.objects.order_by("pk")
model = str(settings.DATA_DIR / done.folder / "model")
scores = resumed.scores.count()
print(json.dumps({"state": resumed.state, "scores": scores, "model": model}))
""")
    assert found["state"] == "done"
    assert found["scores"] == 68
    steps = [json.loads(line)["step"] for line in read(earlier, "runs/2-*/metrics.jsonl")]
    assert steps[-1] == 300
    model = AutoModelForSequenceClassification.from_pretrained(
        found["model"], trust_remote_code=True
    )
    assert model.config.num_labels == 1


def read(earlier: Earlier, pattern: str) -> list[str]:
    (path,) = earlier.data.glob(pattern)
    return path.read_text(encoding="utf-8").splitlines()


def test_an_archive_is_imported_and_comes_out_the_same(earlier: Earlier) -> None:
    archive = earlier.data / "kitchen-archive.jsonl.gz"
    again = earlier.data / "again.jsonl.gz"
    earlier.manage("create_project", "second", "--name", "Second")
    earlier.manage("import_rankings", str(archive), "--project", "second")
    earlier.manage("export_rankings", "second", str(again), "--all-versions")
    assert again.read_bytes() == archive.read_bytes()
