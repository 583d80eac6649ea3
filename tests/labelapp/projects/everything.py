"""A project with a row in every table, and the keys by which rows belong to others."""

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.utils import timezone

from labelapp.models import (
    AgreementMeasurement,
    AliasMove,
    Assignee,
    Assignment,
    Comment,
    Disagreement,
    Event,
    Exclusion,
    Export,
    Grid,
    Invitation,
    Kind,
    Member,
    MemberMessage,
    MemberNote,
    ModelVersion,
    Notification,
    NotificationChoice,
    Placement,
    PracticePrompt,
    PracticeResult,
    Project,
    PromotionGates,
    Prompt,
    PromptAgreement,
    PromptChange,
    PromptDeletion,
    PromptTag,
    Ranking,
    RankingDisagreement,
    RankingReturn,
    Rating,
    Response,
    ReviewMeasurement,
    Role,
    Score,
    ServiceToken,
    State,
    Tag,
    TrainingRun,
    Upload,
    User,
    Webhook,
    WebhookCall,
    hash_text,
)
from labelapp.models.projects import DELETED
from labelapp.runs import process

NAME = "Zebulon"
DONE: dict[str, Any] = {"state": State.DONE, "finished_at": timezone.now()}
TOKENS = "0a1b2c"


def fill(project: Project, user: User, name: str = "") -> Member:
    """Give a project a row of every kind, most by a user, whose name is in all their texts."""
    name = name or user.username
    member = Member.objects.create(project=project, user=user, name=name, role=Role.MANAGER)
    Member.objects.create(project=project, name=f"imported into {project.slug}")
    by: dict[str, Any] = {"project": project, "created_by": user}
    later = timezone.now() + timedelta(days=1)
    Invitation.objects.create(**by, expires_at=later)
    named = {"metrics": {"held_out": {"by_labeller": [{"labeller": name, "accuracy": 0.5}]}}}
    grid = Grid.objects.create(**by)
    run = TrainingRun.objects.create(
        **by, **DONE, **named, grid=grid, folder=f"runs/{project.slug}"
    )
    options = {"labeller": name}
    upload = Upload.objects.create(
        **by, **DONE, name=f"{name}.jsonl", options=options, folder=f"uploads/{project.slug}"
    )
    Export.objects.create(**by, **DONE, name="all.jsonl", folder=f"exports/{project.slug}")
    AgreementMeasurement.objects.create(**by, **DONE)
    ReviewMeasurement.objects.create(**by, **DONE, run=run)
    version = ModelVersion.objects.create(**by, number=1, run=run)
    AliasMove.objects.create(
        **by, alias="champion", version=version, previous=version, reason="It is better."
    )
    PromotionGates.objects.create(project=project)
    ServiceToken.objects.create(**by, name="GRPO", sha256=hash_text(project.slug))
    Exclusion.objects.create(
        member=member,
        created_by=user,
        ended_by=user,
        ended_at=timezone.now(),
        reason=f"{name} ranks too fast",
    )
    RankingReturn.objects.create(member=member, created_by=user, rows=[])
    MemberNote.objects.create(member=member, author=user, text=f"talked to {name}")
    PracticeResult.objects.create(member=member, prompts=3, pairs={"1": [5, 6]})
    MemberMessage.objects.create(member=member, author=user, text=f"hello {name}")
    Notification.objects.create(
        project=project,
        user=user,
        kind=Kind.COMMENT,
        event=Event.COMMENT_MADE,
        key=project.slug,
        about={"name": name},
        path="/",
    )
    webhook = Webhook.objects.create(project=project, url="https://example.org/", secret="whsec_")
    WebhookCall.objects.create(webhook=webhook, key="comment-1", event=Event.COMMENT_MADE)
    NotificationChoice.objects.get_or_create(user=user, kind=Kind.COMMENT)
    tag = Tag.objects.create(project=project, name="hard")
    PromptChange.objects.create(project=project, user=user, rows=[], made_tag=tag)
    hidden = Project.including_hidden.create(slug=f"{DELETED}{project.pk}", name="Deleted")
    PromptDeletion.objects.create(project=project, kept_in=hidden, user=user, prompts=1, rankings=0)
    Prompt.objects.create(project=hidden, messages=[], content_hash="deleted")
    for number in range(3):
        prompt = Prompt.objects.create(
            project=project, messages=[{"role": "user", "content": "?"}], content_hash=str(number)
        )
        PracticePrompt.objects.create(project=project, prompt=prompt)
        PromptTag.objects.create(prompt=prompt, tag=tag)
        Assignee.objects.create(prompt=prompt, member=member)
        response = Response.objects.create(prompt=prompt, text="!", content_hash="1")
        Assignment.objects.create(
            prompt=prompt,
            member=member,
            order=[response.pk],
            draft={"ranks": {}, "note": f"a draft of {name}"},
            expires_at=later,
            skipped_at=timezone.now(),
            skip_reason="other",
            skip_note=f"{name} cannot read this",
        )
        ranking = Ranking.objects.create(
            prompt=prompt,
            member=member,
            responses_hash="1",
            note=f"thinks {name}",
            upload=upload,
        )
        Placement.objects.create(ranking=ranking, response=response, rank=1)
        RankingDisagreement.objects.create(
            ranking=ranking, member=member, comparisons=2, against=1, share=0.5
        )
        Rating.objects.create(ranking=ranking, response=response, score=3)
        Comment.objects.create(prompt=prompt, member=member, text=f"says {name}")
        Disagreement.objects.create(
            prompt=prompt, project=project, labellers=2, comparisons=2, against=1, share=0.5
        )
        Score.objects.create(run=run, response=response, reward=1)
        PromptAgreement.objects.create(
            run=run, prompt=prompt, comparisons=1, against=0, disagreement=0, held_out=False
        )
    write_files(run)
    return member


def leave_unpublished(project: Project, name: str) -> Project:
    """Leave what an import leaves if it is killed, with a labeller's name in it."""
    hidden = Project.including_hidden.create(slug=project.staging_slug, name="Import")
    member = Member.objects.create(project=hidden, name=name)
    prompt = Prompt.objects.create(project=hidden, messages=[], content_hash="1")
    Response.objects.create(prompt=prompt, text="!", content_hash="1")
    Ranking.objects.create(prompt=prompt, member=member, responses_hash="1", note=f"thinks {name}")
    return hidden


def write_files(run: TrainingRun) -> None:
    """Write a file into every folder of the project of a run, and its tokens into their cache."""
    folder = process.run_folder(run)
    data_dir, slug = folder.path.parent.parent, run.project.slug
    for path in (
        *(data_dir / kind / slug / "file" for kind in ("runs", "uploads", "exports")),
        folder.token_cache / f"{TOKENS}{slug}" / "store.json",
    ):
        path.parent.mkdir(parents=True)
        path.write_text("content")
    folder.write_manifest({"tokens_key": f"{TOKENS}{slug}"})


def paths_to(*targets: type[Model]) -> dict[type[Model], set[str]]:
    """Return the ways over keys from every other model to the targets, as filters name them."""
    paths: dict[Any, set[str]] = {target: {""} for target in targets}
    found = {}
    while paths != found:
        found = {model: set(ways) for model, ways in paths.items()}
        for model in apps.get_models(include_auto_created=True):
            for field in model._meta.concrete_fields:
                for way in found.get(field.related_model, ()):
                    over = f"{field.name}__{way}".removesuffix("__")
                    paths.setdefault(model, set()).add(over)
    return {model: ways for model, ways in paths.items() if model not in targets}
