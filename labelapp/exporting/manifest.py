"""Describe a project in the manifest of an export, and create a project from a manifest."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import transaction

from labelapp.exporting.formats import format_moment
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
    "rank_top",
    "rating_scale",
    "flags",
    "lease_minutes",
    "paused",
    "gold_share",
    "repeat_share",
    "repeat_after_days",
    "practice",
    "show_pace",
    "daily_target",
)
MAX_MANIFEST = 64 * 2**20  # bytes; a manifest lists all members of a project


class ManifestError(Exception):
    """No project can be created from the manifest; the message says why."""


def describe_project(project: Project) -> dict[str, Any]:
    settings = {name: getattr(project, name) for name in SETTINGS}
    return settings | {"created_at": format_moment(project.created_at)}


def describe_members(project: Project) -> list[dict[str, Any]]:
    """Return the members of a project by name, without their logins."""
    members = project.members.values_list("name", "role", "is_active")
    return [
        {"name": name, "role": role, "active": active} for name, role, active in sorted(members)
    ]


def read_manifest(path: str) -> dict[str, Any]:
    """Read a manifest. Raises ManifestError unless it describes a project."""
    try:
        if Path(path).stat().st_size > MAX_MANIFEST:
            raise ManifestError(f"{path} is too large for a manifest")
        manifest = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path} is not a manifest: it is not JSON in UTF-8") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("project"), dict):
        raise ManifestError(f"{path} is not the manifest of an export: it has no project")
    return manifest


def make_project(manifest: Mapping[str, Any], **settings: Any) -> Project:
    """Create a project from a manifest; `settings` take precedence over those of the manifest.

    The members of an archive get their former roles, but no login.
    Raises ManifestError, or ValidationError for an invalid setting.
    """
    values = {name: manifest["project"][name] for name in SETTINGS if name in manifest["project"]}
    try:
        check_texts(values)
        created_at = moment(manifest["project"], "created_at")
        members = [check_member(member) for member in objects(manifest, "members")]
    except ValueError as error:
        raise ManifestError(f"the manifest {error}") from error
    project = Project(**(values | settings))
    project.full_clean()
    with transaction.atomic():
        project.save()
        if created_at is not None:
            project.created_at = created_at
            project.save(update_fields=["created_at"])
        Member.objects.bulk_create(Member(project=project, **member) for member in members)
    return project


def check_texts(settings: Mapping[str, Any]) -> None:
    for name in ("name", "slug", "guidelines"):
        if not isinstance(settings.get(name, ""), str):
            raise ValueError(f"has a {name} that is not a text")
        storable(settings.get(name, ""), f"the {name}")
    flags = settings.get("flags", [])
    if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
        raise ValueError("has flags that are not a list of texts")
    for flag in flags:
        storable(flag, "a flag")


def check_member(member: Mapping[str, Any]) -> dict[str, Any]:
    name = optional_name(member.get("name"), "member's name", MAX_NAME)
    if name is None:
        raise ValueError("has a member without a name")
    return {
        "name": name,
        "role": one_of(member, "role", Role.values) or Role.LABELLER,
        "is_active": truth(member, "active", default=True),
    }
