"""Tags of prompts: add and remove them, rename and delete them."""

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from labelapp.db.bulk import insert_rows, pieces
from labelapp.models import Project, Prompt, PromptTag, Tag
from labelapp.projects.members import lock_members
from labelapp.projects.prompt_queue import locked

AT_ONCE = 1000  # prompts in one statement


@transaction.atomic
def tag(*, project: Project, prompts: QuerySet[Prompt], name: str) -> int:
    """Tag prompts, and return the number of those that did not have the tag."""
    has_it = PromptTag.objects.filter(prompt=OuterRef("pk"), tag__project=project, tag__name=name)
    lacking = prompts.filter(~Exists(has_it))
    keys = list(locked(lacking).order_by("pk").values_list("pk", flat=True))
    if not keys:
        return 0  # and no tag without a prompt
    made, _ = Tag.objects.get_or_create(project=project, name=name)
    insert_rows(PromptTag, ("prompt", "tag"), [(key, made.pk) for key in keys])
    return len(keys)


@transaction.atomic
def untag(*, project: Project, prompts: QuerySet[Prompt], name: str) -> int:
    """Remove a tag from prompts, and return the number of those that had it."""
    rows = PromptTag.objects.filter(tag__project=project, tag__name=name)
    tagged = prompts.filter(Exists(rows.filter(prompt=OuterRef("pk"))))
    keys = list(locked(tagged).order_by("pk").values_list("pk", flat=True))
    for some in pieces(keys, AT_ONCE):
        rows.filter(prompt__in=some).delete()
    return len(keys)


@transaction.atomic
def rename(*, tag: Tag, name: str) -> bool:
    """Rename a tag, and return False if it is deleted meanwhile.

    If another one has the name already, the prompts of both have that one.
    """
    lock_members(tag.project)  # as every change of prompts does
    other = Tag.objects.filter(project=tag.project_id, name=name).exclude(pk=tag.pk).first()
    if other is None:
        return bool(Tag.objects.filter(pk=tag.pk).update(name=name))
    both = PromptTag.objects.filter(tag=other, prompt=OuterRef("prompt"))
    tag.prompt_tags.filter(~Exists(both)).update(tag=other)
    return bool(tag.delete()[0])


@transaction.atomic
def delete(tag: Tag) -> None:
    """Delete a tag, and remove it from its prompts."""
    lock_members(tag.project)
    tag.delete()
