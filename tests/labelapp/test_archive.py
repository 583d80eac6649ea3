"""The archive of a project: exported, imported into an empty one, exported again, the same."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings

from labelapp import labelling, lending, prompts
from labelapp.exportfiles import export_file, export_lines
from labelapp.importing import import_lines
from labelapp.manifests import make_project, read_manifest
from labelapp.models import (
    Assignment,
    Comment,
    Member,
    Origin,
    Project,
    Prompt,
    Ranking,
    SkipReason,
)
from labelapp.verdicts import Verdict
from tests.conftest import AddPrompt, AddRanking
from tests.labelapp.archived import Asked, build, held, numbers, projects
from tests.labelapp.exported import NOON, lines, name_responses
from training.rankingfile import BadLine, open_ranking_file
from training.rankingline import CONTROLS, ORIGINS, SKIP_REASONS


def archive(project: Project) -> str:
    return "".join(export_lines(project, "jsonl", all_versions=True))


def import_text(project: Project, text: str, path: Path) -> list[str]:
    """Import lines that may be bad; the reasons of those that are."""
    path.write_bytes(text.encode())
    bad: list[BadLine] = []
    with open_ranking_file(str(path)) as file:
        import_lines(project, file, report=bad.append, skip_bad_lines=True)
    return [line.reason for line in bad]


def empty() -> Project:
    return Project.objects.create(name="To", slug=f"to-{next(numbers)}")


def needed(project: Project) -> list[tuple[int, int]]:
    queue = project.prompts.order_by("pk")
    return list(queue.values_list("rankings_wanted", "rankings_needed"))


@pytest.mark.django_db
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(given_prompts=projects)
def test_a_project_comes_back_from_its_archive_to_the_byte_and_to_the_row(
    tmp_path: Path, given_prompts: list[Asked]
) -> None:
    project = build(given_prompts)
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    export_file(project, before, "jsonl", all_versions=True, force=True)
    manifest = read_manifest(f"{before}.manifest.json")
    other = make_project(manifest, slug=f"to-{next(numbers)}")
    with open_ranking_file(str(before)) as file:
        import_lines(other, file, report=lambda bad: pytest.fail(str(bad)))
    export_file(other, after, "jsonl", all_versions=True, force=True)
    assert after.read_bytes() == before.read_bytes()
    again = read_manifest(f"{after}.manifest.json")
    assert again["members"] == manifest["members"]
    assert again["counts"] == manifest["counts"]
    assert again["project"] | {"slug": ""} == manifest["project"] | {"slug": ""}
    assert held(other) == held(project)
    # What is needed is what no ranking fills a slot of.
    assert needed(other) == [(row["wanted"], row["needed"]) for row in held(project)["prompts"]]
    # A second time it adds nothing.
    with open_ranking_file(str(before)) as file:
        summary = import_lines(other, file, report=lambda bad: pytest.fail(str(bad)))
    assert summary.already_there == summary.lines
    assert held(other) == held(project)
