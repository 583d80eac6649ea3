"""Summarise the data of a run: what it read, what it left out and why, and its split."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Sum
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from labelapp.models import Exclusion, PromptDeletion, TrainingRun
from labelapp.models.jobs import as_object
from labelapp.runs.process import run_folder
from labelapp.runs.starting.data_counts import data_counts
from labelapp.runs.words import setting_label
from labelapp.templatetags.figures import percent, thousands
from training.aggregation import RankingFilter
from training.config import stored_aggregation
from training.config import words as value_words

MOST_LABELLERS = 12  # whose numbers of rankings are written out


@dataclass(frozen=True)
class Count:
    """A number of the manifest, in words."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class DataSummary:
    """The data of a run."""

    read: list[Count]
    left_out: list[Count]
    split: list[Count]
    origin: list[Count]  # hashes, versions, device


def data_summary(run: TrainingRun) -> DataSummary | None:
    """Return what is known of a run's data, or None before it was read."""
    manifest = manifest_of(run)
    if not isinstance(manifest.get("rankings"), int):
        return None
    return DataSummary(
        [*read(manifest), *deleted_since(run)],
        [*left_out_labellers(run), *left_out(manifest)],
        split(run, manifest),
        origin(run, manifest),
    )


def manifest_of(run: TrainingRun) -> dict[str, Any]:
    """Return the manifest of a run, from its folder while the database has none."""
    if run.manifest or not run.folder:
        return run.manifest
    return run_folder(run).read_manifest() or {}


def rankings_since(run: TrainingRun) -> str:
    """Return how many rankings the run read and how many it would read now, if they differ."""
    then = manifest_of(run).get("rankings")
    if not isinstance(then, int):
        return ""
    now = data_counts(run.project, "all", RankingFilter.of(run.config)).rankings
    if then == now:
        return ""
    words = {"then": thousands(then), "now": thousands(now)}
    return (
        _("The rankings have changed since: this run read %(then)s, now it would read %(now)s.")
        % words
    )


def read(manifest: Mapping[str, Any]) -> list[Count]:
    """Return what was read and is used."""
    found = [
        count(manifest, "prompts", _("prompts with a ranking")),
        count(manifest, "rankings", _("rankings"), by_labeller(manifest)),
    ]
    match stored_aggregation(manifest):
        case "majority":
            found.append(count(manifest, "chosen", _("rankings of majorities")))
        case "adjudicated":
            found.append(count(manifest, "chosen", _("rankings, adjudicated ones first")))
    found += [
        count(manifest, "comparisons", _("comparisons"), _("pairs of responses ranked apart")),
        count(manifest, "tokens", _("tokens")),
        count(
            manifest,
            "truncated_prompts",
            _("prompts cut at their beginning"),
            longer("max_prompt_tokens"),
        ),
        count(
            manifest,
            "truncated_responses",
            _("responses cut at their end"),
            longer("max_response_tokens"),
        ),
        count(manifest, "folded_prompts", _("system messages put into the first user message")),
    ]
    return [each for each in found if each.value not in ("–", "0")]


def deleted_since(run: TrainingRun) -> list[Count]:
    """Return how many rankings were deleted with their prompts after the run had read them."""
    since = PromptDeletion.objects.filter(
        project=run.project_id, created_at__gt=run.started_at or run.created_at
    )
    sums = since.aggregate(prompts=Sum("prompts"), rankings=Sum("rankings"))
    if not sums["prompts"]:
        return []
    detail = ngettext(
        "with %(number)s prompt that a manager deleted",
        "with %(number)s prompts that managers deleted",
        sums["prompts"],
    ) % {"number": thousands(sums["prompts"])}
    return [Count(_("rankings deleted since"), thousands(sums["rankings"]), detail)]


def longer(setting: str) -> str:
    """Return why texts were cut: by the setting for their kind."""
    return _("longer than %(setting)s") % {"setting": setting}


def by_labeller(manifest: Mapping[str, Any]) -> str:
    """Return how many rankings each labeller gave, in words."""
    each = manifest.get("rankings_by_labeller")
    if not isinstance(each, list) or not each:
        return ""
    if len(each) == 1:
        return _("by one labeller")
    if len(each) <= MOST_LABELLERS:
        words = {"number": len(each), "rankings": ", ".join(map(thousands, each))}
        return _("by %(number)s labellers: %(rankings)s") % words
    return _("by %(number)s labellers: %(least)s to %(most)s") % {
        "number": thousands(len(each)),
        "least": thousands(min(each)),
        "most": thousands(max(each)),
    }


def left_out_labellers(run: TrainingRun) -> list[Count]:
    """Return the labellers whom a manager had left out when the run began."""
    held = list(Exclusion.objects.held_at(run.project_id, run.started_at or run.created_at))
    if not held:
        return []
    names = [
        _("%(name)s (since %(day)s)")
        % {"name": one.member.name, "day": date_format(one.since, "DATE_FORMAT")}
        if one.since
        else one.member.name
        for one in held
    ]
    label = ngettext("labeller left out by a manager", "labellers left out by managers", len(held))
    return [Count(label, thousands(len(held)), ", ".join(names))]


def left_out(manifest: Mapping[str, Any]) -> list[Count]:
    """Return the rankings and comparisons that are not used, with the reason."""
    refusals = as_object(manifest.get("refusals"))
    reason = "; ".join(f"“{words}”" for words in refusals)
    found = [
        count(manifest, "duplicates", _("rankings given twice")),
        count(manifest, "all_tied", _("rankings that tie everything")),
        count(
            manifest,
            "dropped_rankings",
            _("rankings whose prompt the chat template refuses"),
            reason,
        ),
        count(
            manifest, "cut_equal_rankings", _("rankings whose responses are equal after the cut")
        ),
        count(
            manifest,
            "cut_equal_comparisons",
            _("comparisons whose responses are equal after the cut"),
        ),
    ]
    return [each for each in found if each.value not in ("–", "0")]


def split(run: TrainingRun, manifest: Mapping[str, Any]) -> list[Count]:
    """Return what is trained on, and what is held out."""
    held_out_by = "held_out_by", run.config.get("held_out_by", "prompt")
    return [
        side(manifest, "train", _("rankings trained on")),
        side(manifest, "held_out", _("rankings held out")),
        Count(setting_label("held_out_by"), pgettext("setting", value_words(*held_out_by))),
    ]


def side(manifest: Mapping[str, Any], name: str, label: str) -> Count:
    """Return the rankings of one side, with their prompts and their share."""
    rankings, prompts = manifest.get(f"{name}_rankings"), manifest.get(f"{name}_prompts")
    both = [number(manifest, f"{each}_rankings") for each in ("train", "held_out")]
    detail = _("on %(prompts)s prompts") % {"prompts": thousands(prompts)}
    if sum(both):
        detail += f", {percent(number(manifest, f'{name}_rankings') / sum(both))}"
    return Count(label, thousands(rankings), detail)


def origin(run: TrainingRun, manifest: Mapping[str, Any]) -> list[Count]:
    """Return what identifies the data and the program."""
    versions = as_object(manifest.get("versions"))
    held_out = run.held_out.get("comparisons_sha256")
    found = {
        _("SHA-256 of the rankings"): manifest.get("rankings_sha256"),
        _("SHA-256 of the held-out comparisons"): held_out,
        _("device"): manifest.get("device"),
        _("versions"): ", ".join(f"{name} {number}" for name, number in versions.items()),
    }
    return [Count(label, str(value)) for label, value in found.items() if value]


def count(manifest: Mapping[str, Any], name: str, label: str, detail: str = "") -> Count:
    return Count(label, thousands(manifest.get(name)), detail)


def number(manifest: Mapping[str, Any], name: str) -> int:
    """Return a number of the manifest, or 0 where it is not known."""
    found = manifest.get(name)
    return found if isinstance(found, int) else 0
