"""The list of a project's prompts.

It may have a million: it is paged by keyset, not by offset, and never counted.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from labelapp.models import (
    Assignee,
    Assignment,
    Disagreement,
    Origin,
    Project,
    Prompt,
    PromptTag,
    Ranking,
    Response,
    not_excluded,
)
from labelapp.projects.progress import HELD
from labelapp.projects.prompt_filters import (
    EVERY_PROMPT,
    PromptFilter,
    matching,
)
from labelapp.projects.prompt_orders import cursor, ranges_after

PAGE_SIZE = 50
COUNTED = 10_000  # prompts that match; more are not counted, because that would be slow


@dataclass(frozen=True)
class PromptRow:
    """A prompt in the list, with its counts."""

    prompt: Prompt
    made: int  # rankings that fill a slot
    in_progress: int
    skips: int
    disagreement: float | None  # share of comparisons; None: not measured, or only one ranking
    name_themselves: int  # responses that reveal their model
    imported: int  # current rankings by labellers that were imported
    here: int  # and that were made here
    left_out: int  # of both, those that are left out with their labeller
    assignees: list[Assignee]
    tags: list[str]
    metadata: list[tuple[str, str]]  # the keys that are shown, with their values


@dataclass(frozen=True)
class Page:
    rows: list[PromptRow]
    next: str  # cursor of the next page; empty at the end


def page(*, project: Project, chosen: PromptFilter = EVERY_PROMPT, after: str = "") -> Page:
    """Return a page of the project's prompts.

    Unless they are sorted, waiting prompts are in the order of the queue, others in the order of
    their import. `after` is the cursor of the page; an invalid one starts at the beginning.
    """
    # Keys alone, so that a database that sorts does not carry the texts along.
    keys: list[tuple[int, Any]] = []
    for part in ranges_after(matching(project, chosen), chosen, after, project):
        if len(keys) <= PAGE_SIZE:
            keys += part.values_list("pk", "key")[: PAGE_SIZE + 1 - len(keys)]
    more = len(keys) > PAGE_SIZE
    keys = keys[:PAGE_SIZE]
    found = Prompt.objects.in_bulk([pk for pk, _ in keys])
    prompts = [found[pk] for pk, _ in keys if pk in found]
    return Page(rows(prompts, chosen.keys), cursor(*keys[-1], chosen) if more else "")


def count_matching(project: Project, chosen: PromptFilter) -> int:
    """Return the number of prompts that a filter shows, or COUNTED + 1 if there are more."""
    return matching(project, chosen)[: COUNTED + 1].count()


def rows(prompts: Sequence[Prompt], columns: Sequence[str] = ()) -> list[PromptRow]:
    """Return prompts with their counts, and with the values of some keys of their metadata."""
    pks = [prompt.pk for prompt in prompts]
    assignments = Assignment.objects.filter(prompt__in=pks).values("prompt")
    counts = {
        row["prompt"]: (row["made"], row["in_progress"], row["skips"])
        for row in assignments.annotate(
            made=Count("slot", filter=Q(submitted_at__isnull=False)),
            in_progress=Count("pk", filter=HELD),
            skips=Count("pk", filter=Q(skipped_at__isnull=False)),
        )
    }
    named = Response.objects.filter(prompt__in=pks, names_itself=True)
    naming = dict(named.values_list("prompt").annotate(Count("pk")))
    rankings = Ranking.objects.by_labellers().filter(prompt__in=pks)
    ranked = {
        row["prompt"]: (row["imported"], row["every"] - row["imported"], row["left_out"])
        for row in rankings.values("prompt").annotate(
            every=Count("pk"),
            imported=Count("pk", filter=Q(origin=Origin.IMPORTED)),
            left_out=Count("pk", filter=~not_excluded()),
        )
    }
    measured = Disagreement.objects.filter(prompt__in=pks)
    shares = dict(measured.values_list("prompt", "share"))
    people, tags = assignees_of(pks), tags_of(pks)
    return [
        PromptRow(
            prompt,
            *counts.get(prompt.pk, (0, 0, 0)),
            shares.get(prompt.pk),
            naming.get(prompt.pk, 0),
            *ranked.get(prompt.pk, (0, 0, 0)),
            people.get(prompt.pk, []),
            tags.get(prompt.pk, []),
            [(key, shown((prompt.metadata or {}).get(key))) for key in columns],
        )
        for prompt in prompts
    ]


def shown(value: object) -> str:
    """Return a value of metadata as a text."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def assignees_of(prompts: Iterable[int]) -> dict[int, list[Assignee]]:
    """Return the assignees of some prompts by prompt, in the order of their names."""
    found: dict[int, list[Assignee]] = {}
    rows = Assignee.objects.filter(prompt__in=prompts).select_related("member")
    for row in rows.order_by("member__name"):
        found.setdefault(row.prompt_id, []).append(row)
    return found


def tags_of(prompts: Iterable[int]) -> dict[int, list[str]]:
    """Return the names of the tags of some prompts, by prompt."""
    found: dict[int, list[str]] = {}
    tagged = PromptTag.objects.filter(prompt__in=prompts).order_by("tag__name")
    for prompt, name in tagged.values_list("prompt", "tag__name"):
        found.setdefault(prompt, []).append(name)
    return found


def metadata_keys(project: Project) -> list[str]:
    """Return the keys that the metadata of some of the project's prompts have, to choose from."""
    some = project.prompts.filter(metadata__isnull=False).order_by("-pk")[:PAGE_SIZE]
    keys = {key for data in some.values_list("metadata", flat=True) for key in data or ()}
    return sorted(key for key in keys if "," not in key)
