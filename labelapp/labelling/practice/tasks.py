"""The practice prompts of a project as tasks: the manager's own, or the built-in ones."""

import random
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from labelapp.labelling.practice.builtin import BUILTIN, GradedPrompt
from labelapp.models import Member, PracticePrompt, Project, Ranking
from training.rankings import UNRANKED

BELOW = 10  # the rank of responses that the gold ranking leaves unranked


@dataclass(frozen=True)
class PracticeResponse:
    """A response to practise with, under its letter."""

    letter: str
    text: str
    rank: int  # expected
    why: str


@dataclass(frozen=True)
class PracticeTask:
    """A practice prompt as a member sees it, used where the page expects an assignment."""

    place: int  # from 1
    total: int
    messages: Sequence[Mapping[str, str]]
    responses: Sequence[PracticeResponse]  # in the order shown
    seconds: float = 0.0

    @property
    def token(self) -> str:
        return f"practice-{self.place}"

    @cached_property
    def expected(self) -> dict[str, int]:
        """Return the expected rank of each letter."""
        return {response.letter: response.rank for response in self.responses}

    @property
    def is_last(self) -> bool:
        return self.place == self.total


def practice_tasks(member: Member) -> list[PracticeTask]:
    """Return the practice tasks of the member's project, in an order of responses of their own."""
    found = list(own_prompts(member.project)) or list(builtin_prompts(member.project))
    return [
        PracticeTask(place, len(found), messages, shuffled(responses, f"{member.pk} {place}"))
        for place, (messages, responses) in enumerate(found, start=1)
    ]


Found = tuple[Sequence[Mapping[str, str]], list[tuple[str, int, str]]]


def own_prompts(project: Project) -> Iterator[Found]:
    """Yield the practice prompts that managers have chosen and that still have a gold ranking."""
    chosen = list(PracticePrompt.objects.filter(project=project).select_related("prompt"))
    gold = gold_rankings(chosen)
    for practice in chosen:
        if (ranking := gold.get(practice.prompt_id)) is not None:
            yield practice.prompt.messages, graded(ranking, practice.reasons)


def gold_rankings(chosen: Sequence[PracticePrompt]) -> dict[int, Ranking]:
    """Return the gold rankings of practice prompts, by the prompt's id."""
    prompts = [practice.prompt_id for practice in chosen]
    rankings = Ranking.objects.filter(prompt__in=prompts, is_gold=True)
    return {each.prompt_id: each for each in rankings.prefetch_related("placements__response")}


def graded(ranking: Ranking, reasons: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    """Return the text, the rank and the reason of each response of a gold ranking, best first."""
    return sorted(
        (
            (
                placement.response.text,
                BELOW if placement.rank == UNRANKED else placement.rank,
                str(reasons.get(str(placement.response_id), "")),
            )
            for placement in ranking.placements.all()
        ),
        key=lambda response: response[1],
    )


def builtin_prompts(project: Project) -> Iterator[Found]:
    """Yield the built-in practice prompts, with no more responses than the project shows."""
    for prompt in BUILTIN:
        messages = [{"role": "user", "content": str(prompt.text)}]
        yield messages, fitting(prompt, project.responses_per_ranking)


def fitting(prompt: GradedPrompt, most: int) -> list[tuple[str, int, str]]:
    """Return the responses of a built-in prompt, without the spare ones if there are too many."""
    leave_out = len(prompt.responses) > most
    kept = [each for each in prompt.responses if not (leave_out and each.is_spare)]
    return [(str(each.text), each.rank, str(each.why)) for each in kept]


def shuffled(responses: Sequence[tuple[str, int, str]], seed: str) -> list[PracticeResponse]:
    """Return the responses with letters, in an order that a seed decides."""
    mixed = random.Random(seed).sample(responses, len(responses))
    return [
        PracticeResponse(letter, *response)
        for letter, response in zip(string.ascii_uppercase, mixed, strict=False)
    ]
