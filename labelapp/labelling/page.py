"""The contents of the ranking page.

This is all that a labeller's browser learns of a prompt: no source and no database id is in it.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from labelapp.labelling import assignments, submissions
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, MemberMessage, SkipReason
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
    project = member.project
    context: dict[str, object] = {
        "member": member,
        "project": project,
        "guidelines": render_text(project.guidelines).html,
        "progress": assignments.progress(member, roughly=assignment is not None),
        "unread": unread(member),
        "assignment": assignment,
    }
    if assignment is None:
        return context | {"any_prompts": project.prompts.exists()}
    entered = entered or RankingInput.from_json(assignment.draft)
    cards = submissions.cards(assignment)
    messages, texts = render_prompt(
        assignment.prompt.messages, [card.response.text for card in cards]
    )
    shown = [
        ShownCard(
            card.letter,
            text,
            count_words(card.response.text),
            entered.ranks.get(card.letter),
            entered.scores.get(card.letter),
            list(entered.flags.get(card.letter, ())),
        )
        for card, text in zip(cards, texts, strict=True)
    ]
    return context | {
        "prompt_messages": messages,
        "cards": shown,
        "ranks": range(1, len(cards) + 1),
        "scores": range(1, project.rating_scale + 1),
        "entered": entered,
        "key": uuid.uuid4(),
        "skip_reasons": SkipReason.choices,
        "beat_seconds": max(15, min(300, project.lease_minutes * 20)),
    }
