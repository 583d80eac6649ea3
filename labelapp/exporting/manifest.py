"""Describe a project in the manifest of an export, and create a project from a manifest."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction

from labelapp.exporting.formats import format_moment
from labelapp.models import ALTOGETHER, Exclusion, Member, Project, Role
from training.formats.archive_keys import MAX_NAME
from training.formats.checked_values import (
    moment,
    objects,
    one_of,
    optional_name,
    storable,
    truth,
    written,
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
MAX_REASON = 1000  # characters
MAX_MANIFEST = 64 * 2**20  # bytes; a manifest lists all members of a project


class ManifestError(Exception):
    """No project can be created from the manifest; the message says why."""


def describe_project(project: Project) -> dict[str, Any]:
    settings = {name: getattr(project, name) for name in SETTINGS}
    return settings | {"created_at": format_moment(project.created_at)}


def describe_members(project: Project) -> list[dict[str, Any]]:
    """Return the members of a project by name, without their logins.

    With when and why they were left out of training, export and agreement.
    """
    exclusions: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for one in Exclusion.objects.filter(member__project=project).order_by("created_at", "pk"):
        exclusions[one.member_id].append(describe_exclusion(one))
    members = project.members.order_by("name", "pk")
    rows = sorted(members.values_list("name", "role", "is_active", "pk"))
    return [
        {"name": name, "role": role, "active": active}
        | ({"exclusions": exclusions[pk]} if exclusions[pk] else {})
        for name, role, active, pk in rows
    ]


def describe_exclusion(one: Exclusion) -> dict[str, Any]:
    return {
        "since": one.since and format_moment(one.since),
        "reason": one.reason,
        "created_at": format_moment(one.created_at),
        "ended_at": one.ended_at and format_moment(one.ended_at),
    }


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
        exclusions = {
            str(member["name"]): [check_exclusion(one) for one in objects(member, "exclusions")]
            for member in objects(manifest, "members")
        }
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
        for name, found in exclusions.items():
            if found:
                leave_out(project.members.get(name=name), found)
    return project


def leave_out(member: Member, exclusions: Sequence[Mapping[str, Any]]) -> None:
    """Leave a new member out as an archive says."""
    Exclusion.objects.bulk_create(Exclusion(member=member, **one) for one in exclusions)
    for one in exclusions:
        if one["ended_at"] is None:
            member.excluded_from = one["since"] or ALTOGETHER
            member.save(update_fields=["excluded_from"])


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


def check_exclusion(one: Mapping[str, Any]) -> dict[str, Any]:
    reason = written(one, "reason")[:MAX_REASON]
    created_at = moment(one, "created_at")
    if created_at is None:
        raise ValueError("has an exclusion without created_at")
    return {
        "since": moment(one, "since"),
        "reason": reason,
        "created_at": created_at,
        "ended_at": moment(one, "ended_at"),
    }
