"""What a sampling has to do: the responses that prompts lack, as jobs for models."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count as count_up
from typing import Any

from django.db.models import Count, Exists, OuterRef, QuerySet

from labelapp.models import Assignment, Project, Prompt, Ranking, Response

PROMPTS_PER_QUERY = 200
MAX_SOURCE = 500  # characters
Variant = tuple[str, float]  # a model and a temperature


@dataclass(frozen=True)
class Settings:
    """The settings of a sampling."""

    responses: int  # per prompt
    program: str  # module of training/sampling/ that runs the models
    models: tuple[tuple[str, tuple[str, ...]], ...]  # names, and arguments of the program
    temperatures: tuple[float, ...] = (1.0,)
    rows: int = 16  # responses per request; 0: those that one prompt lacks
    requests: int = 2  # concurrent
    tries: int = 5  # per response, until it is new
    seed: int = 0
    limit: int | None = None  # number of prompts

    @property
    def variants(self) -> list[Variant]:
        """The variants, in the order in which they take turns."""
        return [(name, temperature) for temperature in self.temperatures for name, _ in self.models]

    def source(self, variant: Variant) -> str:
        """Return the source that the responses of a variant name."""
        name, temperature = variant
        ending = f" (temperature {temperature:g})" if len(self.temperatures) > 1 else ""
        return name[: MAX_SOURCE - len(ending)] + ending


@dataclass
class Job:
    """The responses that one prompt lacks from one variant."""

    prompt: int
    content_hash: str
    messages: list[Any]
    variant: Variant
    count: int
    attempt: int = 0
    part: int = 0  # index of the first response, if the prompt takes several requests


def untouched(project: Project, responses: int, *, filled: bool) -> QuerySet[Prompt]:
    """Return the prompts that were never assigned or ranked, with enough responses or not."""
    counted = Response.objects.filter(prompt=OuterRef("pk")).order_by().values("prompt")
    full = counted.annotate(n=Count("pk")).filter(n__gte=responses)
    return project.prompts.filter(
        Exists(full) if filled else ~Exists(full),
        ~Exists(Ranking.objects.filter(prompt=OuterRef("pk"))),
        ~Exists(Assignment.objects.filter(prompt=OuterRef("pk"))),
        taken_out=False,
    ).order_by("pk")


def prompts_to_fill(project: Project, settings: Settings) -> QuerySet[Prompt]:
    """Return the prompts to fill; a limit selects the first ones once, before they are filled."""
    prompts = untouched(project, settings.responses, filled=False)
    if settings.limit is None:
        return prompts
    last = list(prompts.values_list("pk", flat=True)[: settings.limit])[-1:]
    return prompts.filter(pk__lte=last[0] if last else 0)


def count_lacking(project: Project, settings: Settings) -> int:
    """Return the number of responses that the prompts to fill lack."""
    prompts = prompts_to_fill(project, settings)
    stored = Response.objects.filter(prompt__in=prompts.order_by().values("pk")).count()
    return prompts.count() * settings.responses - stored


def jobs(prompts: QuerySet[Prompt], settings: Settings, model: str) -> Iterator[Job]:
    """Yield a model's jobs, reading a batch of prompts at a time."""
    last = 0
    while batch := list(
        prompts.filter(pk__gt=last).only("messages", "content_hash")[:PROMPTS_PER_QUERY]
    ):
        sources: dict[int, Counter[str]] = {prompt.pk: Counter() for prompt in batch}
        stored = Response.objects.filter(prompt__in=sources).values_list("prompt_id", "source")
        for pk, source in stored:
            sources[pk][source] += 1
        for prompt in batch:
            for variant, count in missing(prompt.pk, sources[prompt.pk], settings).items():
                if variant[0] == model:
                    yield from split(prompt, variant, count, settings.rows or count)
        last = batch[-1].pk


def missing(prompt: int, sources: Counter[str], settings: Settings) -> dict[Variant, int]:
    """Return the number of responses that a prompt lacks from each variant.

    The variants take turns, and a different one begins with each prompt. Responses from other
    sources count too.
    """
    variants = settings.variants
    ours = {settings.source(variant) for variant in variants}
    places = settings.responses - sum(n for source, n in sources.items() if source not in ours)
    turns: Counter[Variant] = Counter()
    for turn in count_up(prompt):
        variant = variants[turn % len(variants)]
        if turns.total() >= places:
            break
        # At temperature 0 all texts are the same.
        turns[variant] += variant[1] > 0 or not turns[variant]
    room = settings.responses - sources.total()
    counts: dict[Variant, int] = {}
    for variant, share in turns.items():
        count = min(share - sources[settings.source(variant)], room)
        if count > 0:
            counts[variant] = count
            room -= count
    return counts


def split(prompt: Prompt, variant: Variant, count: int, most: int) -> Iterator[Job]:
    for begin in range(0, count, most):
        wanted = min(most, count - begin)
        yield Job(prompt.pk, prompt.content_hash, prompt.messages, variant, wanted, part=begin)
