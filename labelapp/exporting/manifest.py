"""What the manifest of an export says of its project, and a project made by that."""

import json
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

from django.db import transaction

from labelapp.models import Member, Project, Role
from training.formats.archive_keys import (
    MAX_NAME,
    moment,
    objects,
    one_of,
    optional_name,
    storable,
    truth,
)

SETTINGS = (
    "name",
    "slug",
    "guidelines",
    "responses_per_ranking",
    "rankings_per_prompt",
    "ties_allowed",
    "rating_scale",
    "flags",
    "lease_minutes",
    "paused",
    "gold_share",
    "repeat_share",
    "repeat_after_days",
)
MAX_MANIFEST = 64 * 2**20  # bytes; it names everybody in the project


class ManifestError(Exception):
    """No project can be made by the manifest; the message says why."""


def settings_of(project: Project) -> dict[str, Any]:
    created_at = project.created_at.astimezone(UTC).isoformat(timespec="microseconds")
    found = {name: getattr(project, name) for name in SETTINGS}
    return found | {"created_at": created_at.replace("+00:00", "Z")}


def people_of(project: Project) -> list[dict[str, Any]]:
    """Everybody in the project, by name. How they sign in is not said."""
    members = project.members.values_list("name", "role", "is_active")
    return [
        {"name": name, "role": role, "active": active} for name, role, active in sorted(members)
    ]


def read_manifest(path: str) -> dict[str, Any]:
    """Raises ManifestError where it is none that speaks of a project."""
    try:
        if Path(path).stat().st_size > MAX_MANIFEST:
            raise ManifestError(f"{path} is too large for a manifest")
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path} is no manifest: it is not JSON in UTF-8") from error
    if not isinstance(found, dict) or not isinstance(found.get("project"), dict):
        raise ManifestError(f"{path} is no manifest of an export: it has no project")
    return found


def make_project(manifest: Mapping[str, Any], **settings: Any) -> Project:
    """Make a project with the settings of a manifest, but for those that are given.

    The people of an archive are in it with the roles that they had, and without a login.
    Raises ManifestError, or ValidationError for a setting that a project cannot have.
    """
    said = {name: manifest["project"][name] for name in SETTINGS if name in manifest["project"]}
    try:
        check_texts(said)
        created_at = moment(manifest["project"], "created_at")
        people = [check_person(person) for person in objects(manifest, "members")]
    except ValueError as error:
        raise ManifestError(f"the manifest {error}") from error
    project = Project(**(said | settings))
    project.full_clean()
    with transaction.atomic():
        project.save()
        if created_at is not None:
            project.created_at = created_at
            project.save(update_fields=["created_at"])
        Member.objects.bulk_create(Member(project=project, **person) for person in people)
    return project


def check_texts(said: Mapping[str, Any]) -> None:
    for name in ("name", "slug", "guidelines"):
        if not isinstance(said.get(name, ""), str):
            raise ValueError(f"has a {name} that is not a text")
        storable(said.get(name, ""), f"the {name}")
    flags = said.get("flags", [])
    if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
        raise ValueError("has flags that are not a list of texts")
    for flag in flags:
        storable(flag, "a flag")


def check_person(person: Mapping[str, Any]) -> dict[str, Any]:
    name = optional_name(person.get("name"), "member's name", MAX_NAME)
    if name is None:
        raise ValueError("has a member without a name")
    return {
        "name": name,
        "role": one_of(person, "role", Role.values) or Role.LABELLER,
        "is_active": truth(person, "active", default=True),
    }
