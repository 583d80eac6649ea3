"""The contents of the ranking page.

This is all that a labeller's browser learns of a prompt: no source and no database id is in it.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.urls import reverse

from labelapp.labelling import own_progress, submissions
from labelapp.labelling.pace import pace
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, MemberMessage, Project, SkipReason
from labelapp.rendering.markdown import count_words
from labelapp.rendering.texts import RenderedText, render_prompt, render_text


@dataclass(frozen=True)
class ShownCard:
    letter: str
    text: RenderedText
    words: int
    rank: int | None  # entered so far, as are the others
    score: int | None
    flags: list[str]


def unread(member: Member) -> Sequence[MemberMessage]:
    """Return the managers' messages to a member that they have not dismissed, the oldest first."""
    return list(MemberMessage.objects.unread(member).order_by("pk")) if member.has_messages else ()


def page_context(
    member: Member, assignment: Assignment | None, entered: RankingInput | None = None
) -> dict[str, object]:
    """Return what the page shows of an assignment with its draft, or with what was entered."""
    project, slug = member.project, member.project.slug
    context: dict[str, object] = {
        "member": member,
        "project": project,
        "pace": pace(member),
        "progress": own_progress.progress(member, roughly=assignment is not None),
        "unread": unread(member),
        "assignment": assignment,
    }
    if assignment is None:
        return context | {"any_prompts": project.prompts.exists()}
    entered = entered or RankingInput.from_json(assignment.draft)
    texts = [(card.letter, card.response.text) for card in submissions.cards(assignment)]
    return (
        context
        | task_context(project, assignment.prompt.messages, texts, entered)
        | {
            "skip_reasons": SkipReason.choices,
            "beat_seconds": max(15, min(300, project.lease_minutes * 20)),
            "urls": {
                "submit": reverse("labelling", args=[slug]),
                "draft": reverse("labelling_draft", args=[slug]),
                "next": reverse("labelling_next", args=[slug]),
                "alive": reverse("labelling_alive", args=[slug]),
                "texts": reverse("work_texts", args=[slug, assignment.token]),
            },
        }
    )


def task_context(
    project: Project,
    messages: Iterable[Mapping[str, str]],
    lettered: Sequence[tuple[str, str]],
    entered: RankingInput,
) -> dict[str, object]:
    """Return what the page shows of a prompt and its lettered responses, to be ranked."""
    asked, texts = render_prompt(messages, [text for _, text in lettered])
    cards = [
        ShownCard(
            letter,
            rendered,
            count_words(text),
            entered.ranks.get(letter),
            entered.scores.get(letter),
            list(entered.flags.get(letter, ())),
        )
        for (letter, text), rendered in zip(lettered, texts, strict=True)
    ]
    return {
        "project": project,
        "guidelines": render_text(project.guidelines).html,
        "prompt_messages": asked,
        "cards": cards,
        "fewest": project.fewest_ranks(len(cards)),
        "ranks": range(1, len(cards) + 1),
        "scores": range(1, project.rating_scale + 1),
        "entered": entered,
        "key": uuid.uuid4(),
    }
