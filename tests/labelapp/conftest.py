"""People without a login who ranked, and what an export of the project writes."""

import io
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import call_command

from labelapp.jobs import jobs
from labelapp.models import Member, Project
from labelapp.runs import process as run_process
from tests.forked import Forked


@pytest.fixture(autouse=True)
def database_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let silent jobs count as lost at once, although the tests' PostgreSQL has just started."""
    monkeypatch.setattr(jobs, "RECOVERY", timedelta(0))


@pytest.fixture
def ann(project: Project) -> Member:
    return Member.objects.create(project=project, name="ann")


@pytest.fixture
def bob(project: Project) -> Member:
    return Member.objects.create(project=project, name="bob")


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the training programs of runs from a process that has imported torch."""
    names = vars(subprocess) | {"Popen": Forked}
    monkeypatch.setattr(run_process, "subprocess", SimpleNamespace(**names))


@pytest.fixture
def export(project: Project, tmp_path: Path) -> Callable[..., str]:
    """Return a function that exports a project and returns the text of the file."""

    def export(*options: str, name: str = "out.jsonl", slug: str = "kitchen") -> str:
        path = tmp_path / name
        call_command("export_rankings", slug, str(path), *options, stdout=io.StringIO())
        return path.read_bytes().decode()

    return export
