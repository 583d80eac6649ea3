"""Duplicate a project: its settings and guidelines, and if wanted its members and prompts.

Rankings, runs and files are never copied.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from django.db import transaction
from django.db.models import Model

from labelapp.db.bulk import insert_rows
from labelapp.db.retry import with_retries
from labelapp.db.writer import write
from labelapp.models import Member, Project, Prompt, Response, Role, User
from labelapp.projects.creation import created_just_now, free_slug, save_new
from labelapp.projects.members import free_name
from labelapp.projects.prompt_queue import rankable

PROMPTS_AT_ONCE = 200
# What a copy does not take over: it begins with the defaults.
OF_ITS_OWN = {"name", "slug", "setup_step", "archived_at", "deleted_at", "created_at", "paused"}
QUEUE = {
    "rankings_wanted", "rankings_needed", "came_back", "taken_out", "reserved", "created_at"
}  # fmt: skip


def columns(model: type[Model], without: set[str]) -> list[str]:
    """Return the names of a table's columns but for its key and some others."""
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    return [field.attname for field in fields if field.name not in without]


@transaction.atomic
def duplicate(
    project: Project,
    *,
    name: str,
    slug: str = "",
    user: User,
    with_members: bool,
    enqueue_prompts: Callable[[int, int], object] | None = None,
) -> Project:
    """Create and return a copy of a project, whose manager is `user`.

    With `enqueue_prompts`, the copying of its prompts is enqueued: see copy_prompts.
    Raises SlugTakenError if another project got the slug a moment ago.
    """
    made = created_just_now(user, name, slug)
    if made is not None and made != project:
        return made  # by the first click of two
    settings = {key: getattr(project, key) for key in columns(Project, OF_ITS_OWN)}
    copy = Project(name=name, slug=slug or free_slug(name), **settings)
    save_new(copy)
    if with_members:
        Member.objects.bulk_create(
            Member(project=copy, user_id=user_id, name=name, role=role)
            for user_id, name, role in project.members.filter(
                user__is_active=True, is_active=True
            ).values_list("user", "name", "role")
        )
    if not copy.members.filter(user=user).update(role=Role.MANAGER):
        name = free_name(copy, user.username)
        Member.objects.create(project=copy, user=user, name=name, role=Role.MANAGER)
    if enqueue_prompts is not None:
        enqueue_prompts(project.pk, copy.pk)
    return copy


def copy_prompts(source: Project, target: Project) -> int:
    """Copy the prompts that the target lacks, with their responses; return how many.

    In short transactions, between which others can write. It can be interrupted and repeated.
    """
    wanted = source.prompts.order_by("pk")
    copied, after = 0, 0
    while prompts := list(wanted.filter(pk__gt=after)[:PROMPTS_AT_ONCE]):
        # Into one that is archived meanwhile as well: half a copy would be of no use.
        if not Project.objects.filter(pk=target.pk, deleted_at=None).exists():
            break
        began = time.monotonic()
        copied += with_retries(partial(copy_some, prompts, target))
        after = prompts[-1].pk
        time.sleep(time.monotonic() - began)
    return copied


def copy_some(prompts: Sequence[Prompt], target: Project) -> int:
    """Copy prompts into a project in one transaction, unless it has them; return how many."""
    with write():
        hashes = [prompt.content_hash for prompt in prompts]
        there = set(
            target.prompts.filter(content_hash__in=hashes).values_list("content_hash", flat=True)
        )
        missing = [prompt for prompt in prompts if prompt.content_hash not in there]
        copies = Prompt.objects.bulk_create(copy_of(prompt, target) for prompt in missing)
        ids = {prompt.pk: copy.pk for prompt, copy in zip(missing, copies, strict=True)}
        names = columns(Response, {"prompt"})
        rows = Response.objects.filter(prompt__in=missing).order_by("pk")
        insert_rows(
            Response,
            ["prompt", *names],
            [(ids[prompt], *values) for prompt, *values in rows.values_list("prompt", *names)],
        )
        queue_copies(ids.values(), target)
    return len(missing)


def copy_of(prompt: Prompt, target: Project) -> Prompt:
    values = {name: getattr(prompt, name) for name in columns(Prompt, QUEUE | {"project"})}
    return Prompt(project=target, **values)


def queue_copies(ids: Iterable[int], target: Project) -> None:
    """Queue the copies that can be ranked, as often as the target's settings say."""
    wanted = target.rankings_per_prompt
    copies = rankable(Prompt.objects.filter(pk__in=ids))
    copies.update(rankings_wanted=wanted, rankings_needed=wanted)
