"""The lineage of a model: its run, its manifest and rankings by hash, and its files' digest."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from labelapp.models import ModelVersion, TrainingRun
from labelapp.runs import choice
from labelapp.runs.process import run_folder
from labelapp.templatetags.figures import thousands
from training.runs.digest import file_sha256
from training.runs.folder import MANIFEST

NUMBERS = ("rankings", "prompts", "train_rankings", "train_prompts", "held_out_prompts")
KEPT = (*NUMBERS, "aggregation", "rankings_sha256", "ranking_versions")


@dataclass(frozen=True)
class Fact:
    """One line of the lineage."""

    label: str
    value: str
    is_code: bool = False


def lineage_of(run: TrainingRun) -> dict[str, Any]:
    """Return what is stored with a version, and stays when its run is deleted."""
    folder = run_folder(run)
    manifest = run.manifest or folder.read_manifest() or {}
    return {
        "run": run.pk,
        "title": run.title,
        "model": choice.model_name(run),
        "digest": run.metrics.get("model_digest", ""),
        "accuracy": run.held_out.get("accuracy"),
        "manifest_sha256": sha256_of(folder.path / MANIFEST),
        **{key: manifest[key] for key in KEPT if key in manifest},
    }


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, or "" where there is none."""
    try:
        return file_sha256(path)
    except OSError:
        return ""


def facts(version: ModelVersion) -> list[Fact]:
    """Return the lineage as lines of a page, without those that are not known."""
    lineage = version.lineage
    rankings, prompts, learned = (
        lineage.get(name) for name in ("rankings", "prompts", "train_rankings")
    )
    lines = [
        Fact(_("Run"), version.run_title),
        Fact(_("Model"), str(lineage.get("model", ""))),
        Fact(
            _("Rankings"),
            _("%(rankings)s of %(prompts)s prompts")
            % {"rankings": thousands(rankings), "prompts": thousands(prompts)}
            if rankings
            else "",
        ),
        Fact(
            _("Learned from"),
            _("%(learned)s of them") % {"learned": thousands(learned)} if learned else "",
        ),
        *versions_read(lineage.get("ranking_versions")),
        Fact(_("SHA-256 of manifest.json"), str(lineage.get("manifest_sha256", "")), is_code=True),
        Fact(_("SHA-256 of the rankings"), str(lineage.get("rankings_sha256", "")), is_code=True),
        Fact(_("Digest of the model’s files"), str(lineage.get("digest", "")), is_code=True),
    ]
    return [fact for fact in lines if fact.value]


def versions_read(stored: object) -> list[Fact]:
    """Return how many rankings were read in which version, and when they were given."""
    if not isinstance(stored, list) or not stored or not all(map(is_version, stored)):
        return []
    later = sum(one["rankings"] for one in stored if one["version"] > 1)
    words = {
        "first": thousands(sum(one["rankings"] for one in stored) - later),
        "later": thousands(later),
        "newest": max(one["version"] for one in stored),
    }
    versions = (
        _("%(first)s of version 1, %(later)s of later versions, up to %(newest)s")
        if later
        else _("all of version 1")
    )
    ends = min(one["first"] for one in stored), max(one["last"] for one in stored)
    oldest, latest = (
        date_format(localtime(datetime.fromisoformat(end)), "DATETIME_FORMAT") for end in ends
    )
    return [
        Fact(_("Versions of the rankings"), versions % words),
        Fact(_("First ranking"), oldest),
        Fact(_("Last ranking"), latest),
    ]


def is_version(one: object) -> bool:
    """Return True for an entry of ranking_versions that can be read."""
    if not isinstance(one, Mapping):
        return False
    numbers = (one.get("version"), one.get("rankings"))
    return all(isinstance(number, int) for number in numbers) and all(
        isinstance(one.get(end), str) for end in ("first", "last")
    )
