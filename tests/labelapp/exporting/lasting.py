"""What is lasting in a project, compared after an archive has been read."""

from collections import Counter
from typing import Any

from labelapp.models import Assignment, Comment, Origin, Project, Prompt, Ranking, Response


def held(project: Project) -> dict[str, list[Any]]:
    """Return the lasting contents of a project, without primary keys."""
    text_of = dict(Response.objects.filter(prompt__project=project).values_list("pk", "text"))
    tasks = [
        {
            **{name: getattr(task, name) for name in TASK},
            "prompt": task.prompt.content_hash,
            "member": task.member.name,
            "order": [text_of[pk] for pk in task.order],
            "slot": task.slot is not None and task.submitted_at is not None,
        }
        for task in Assignment.objects.filter(prompt__project=project).select_related(
            "prompt", "member"
        )
        if task.submitted_at or task.skipped_at or task.taken_back or was_ranked(task)
    ]
    slots = Counter(task["prompt"] for task in tasks if task["slot"])
    rankings = [
        {
            **{name: getattr(ranking, name) for name in RANKING},
            "prompt": ranking.prompt.content_hash,
            "member": ranking.member.name,
            "ranks": {text_of[pk]: rank for pk, rank in ranking.ranks().items()},
            "ratings": {
                text_of[rating.response_id]: (rating.score, rating.flags)
                for rating in ranking.ratings.all()
            },
        }
        for ranking in Ranking.objects.filter(prompt__project=project).select_related(
            "prompt", "member"
        )
    ]
    return {
        "prompts": [prompt_row(prompt, slots) for prompt in project.prompts.order_by("pk")],
        "tasks": sorted(tasks, key=lambda t: (t["prompt"], t["member"], t["repeat"])),
        "rankings": sorted(rankings, key=str),
        "comments": list(
            Comment.objects.filter(prompt__project=project)
            .order_by("prompt__pk", "created_at", "pk")
            .values_list("prompt__content_hash", "member__name", "created_at", "text")
        ),
        "people": sorted(project.members.values_list("name", "role", "ranked", "is_active")),
    }


TASK = (
    *("seconds", "created_at", "gold", "repeat", "taken_back"),
    *("submitted_at", "skipped_at", "skip_reason", "skip_note"),
)
RANKING = (
    *("responses_hash", "version", "is_current", "origin", "surplus", "is_gold", "seconds"),
    *("all_bad", "note", "created_at"),
)


def was_ranked(task: Assignment) -> bool:
    said = Ranking.objects.filter(prompt=task.prompt_id, member=task.member_id)
    origin = Origin.REPEATED if task.repeat else Origin.HERE
    return said.filter(origin=origin).exists()


def prompt_row(prompt: Prompt, slots: Counter[str]) -> dict[str, Any]:
    """Return the expected prompt: open tasks wait again, unless the prompt was taken out."""
    made = slots[prompt.content_hash]
    wanted = made if prompt.taken_out else prompt.rankings_wanted
    return {
        "messages": prompt.messages,
        "id": prompt.external_id,
        "priority": prompt.priority,
        "wanted": wanted,
        "needed": wanted - made,
        "taken out": prompt.taken_out,
        "created_at": prompt.created_at,
        "reserved": prompt.reserved,
        "assigned": sorted(prompt.assignees.values_list("member__name", flat=True)),
        "tags": sorted(prompt.prompt_tags.values_list("tag__name", flat=True)),
        "metadata": prompt.metadata,
        "responses": list(prompt.responses.order_by("pk").values_list("text", "source")),
    }
