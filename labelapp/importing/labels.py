"""Import the tags and the assignees of prompts."""

from collections.abc import Collection, Iterable, Mapping

from labelapp.db.bulk import insert_rows
from labelapp.importing.entries import Entry, People
from labelapp.models import Assignee, Project, PromptTag, Tag


def add_tags(entries: Iterable[Entry], staging: Project, stored: Mapping[int, str]) -> None:
    """Add the tags that the prompts lack. `stored` are the prompts that are not new."""
    new: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        for name in entry.line.state.tags if entry.line.state is not None else ():
            new.setdefault((entry.content_hash, name), entry)
    if not new:
        return
    existing = PromptTag.objects.filter(prompt__in=stored)
    for prompt_id, name in existing.values_list("prompt_id", "tag__name"):
        new.pop((stored[prompt_id], name), None)
    tags = tags_by_name({name for _, name in new}, staging)
    for entry in new.values():
        entry.added = True
    rows = [(entry.prompt_id, tags[name]) for (_, name), entry in new.items()]
    insert_rows(PromptTag, ("prompt", "tag"), rows)


def tags_by_name(names: Collection[str], staging: Project) -> dict[str, int]:
    """Find or add tags, and return their keys."""
    known = Tag.objects.filter(project=staging, name__in=names).values_list("name", flat=True)
    lacking = set(names) - set(known)
    Tag.objects.bulk_create(Tag(project=staging, name=name) for name in sorted(lacking))
    return dict(Tag.objects.filter(project=staging, name__in=names).values_list("name", "pk"))


def assign_prompts(entries: Iterable[Entry], people: People, new_prompts: Collection[int]) -> None:
    """Assign new prompts to the people of their lines, once; other prompts keep theirs."""
    rows: dict[tuple[int, str], bool] = {}
    for entry in entries:
        state = entry.line.state
        if state is not None and entry.prompt_id in new_prompts:
            given = {task.labeller for task in state.tasks}
            for name in state.assigned:
                rows.setdefault((entry.prompt_id, name), name not in given)
    insert_rows(
        Assignee,
        ("prompt", "member", "waits"),
        [(prompt, people[name], waits) for (prompt, name), waits in rows.items()],
    )
