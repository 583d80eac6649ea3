"""The lineage of a model: its run, its rankings by hash, and the digest of its files."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from labelapp.models import TrainingRun
from labelapp.runs import choice
from labelapp.runs.process import run_folder
from labelapp.templatetags.figures import thousands

NUMBERS = ("rankings", "prompts", "train_rankings", "train_prompts", "held_out_prompts")
KEPT = (*NUMBERS, "aggregation", "rankings_sha256")


@dataclass(frozen=True)
class Fact:
    """One line of the lineage."""

    label: str
    value: str
    is_code: bool = False


def lineage_of(run: TrainingRun) -> dict[str, Any]:
    """Return what is stored with a version, and stays when its run is deleted."""
    manifest = run.manifest or run_folder(run).read_manifest() or {}
    return {
        "run": run.pk,
        "title": run.title,
        "model": choice.model_name(run),
        "digest": run.metrics.get("model_digest", ""),
        "accuracy": run.held_out.get("accuracy"),
        **{key: manifest[key] for key in KEPT if key in manifest},
    }


def facts(lineage: dict[str, Any]) -> list[Fact]:
    """Return the lineage as lines of a page, without those that are not known."""
    rankings, prompts, learned = (
        lineage.get(name) for name in ("rankings", "prompts", "train_rankings")
    )
    lines = [
        Fact(_("Run"), str(lineage.get("title", ""))),
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
        Fact(_("SHA-256 of the rankings"), str(lineage.get("rankings_sha256", "")), is_code=True),
        Fact(_("Digest of the model’s files"), str(lineage.get("digest", "")), is_code=True),
    ]
    return [fact for fact in lines if fact.value]
