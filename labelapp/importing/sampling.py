"""Sampling: prompts filled with responses of models, as they come, and then queued to be labelled.

The models are asked in programs of their own (training/sampling/protocol.py). What a prompt lacks
is worked out from its rows, so a second start goes on where the first was; what has come is stored
at once.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count as count_up
from itertools import islice
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from labelapp.db.retry import patiently
from labelapp.labelling.assignments import look_from_the_top
from labelapp.labelling.blinding import names_itself
from labelapp.models import Assignment, Project, Prompt, Ranking, Response, hash_text
from training.formats.ranking_file import storable
from training.sampling.protocol import (
    Sampler,
    SamplingError,
    sampler,
)

PROMPTS_AT_ONCE = 200  # read at a time
LONGEST_SOURCE = 500
WITHOUT_AN_ANSWER = 5  # prompts refused one after another from the first on: it is not the prompts

Voice = tuple[str, float]  # a model and a temperature


@dataclass(frozen=True)
class Settings:
    """How responses are sampled."""

    responses: int  # how many a prompt is to have
    program: str  # of training/, that asks the models
    models: tuple[tuple[str, tuple[str, ...]], ...]  # name, and the program's arguments
    temperatures: tuple[float, ...] = (1.0,)
    rows: int = 16  # responses in a request; 0: those that one prompt lacks
    requests: int = 2  # under way at once
    tries: int = 5  # for a response that is new
    seed: int = 0
    limit: int | None = None  # of prompts

    @property
    def voices(self) -> list[Voice]:
        """(model, temperature) in the order in which they take turns."""
        return [(name, heat) for heat in self.temperatures for name, _ in self.models]

    def source(self, voice: Voice) -> str:
        """What a response says of where it comes from."""
        name, heat = voice
        ending = f" (temperature {heat:g})" if len(self.temperatures) > 1 else ""
        return name[: LONGEST_SOURCE - len(ending)] + ending


@dataclass
class Sampled:
    """What a sampling did."""

    responses: int = 0
    prompts: set[int] = field(default_factory=set)  # that got one
    queued: int = 0
    repeated: int = 0  # texts that were there already, or empty
    cut: int = 0  # texts that ended because they were as long as they may be
    short: int = 0  # prompts that still have too few
    refusals: int = 0  # what a model would not answer
    refused: str = ""  # why, the first time


class Stored(NamedTuple):
    """What became of a job's texts."""

    new: int
    is_queued: bool  # whether the prompt now waits for labellers, and did not before
    is_open: bool  # whether it can take more


@dataclass
class Job:
    """What one prompt lacks of one model at one temperature."""

    prompt: int
    content_hash: str
    messages: list[Any]
    voice: Voice
    count: int
    attempt: int = 0
    part: int = 0  # where it begins among those of the prompt, if they take several requests


def untouched(project: Project, responses: int, *, filled: bool) -> QuerySet[Prompt]:
    """Return prompts with so many responses or fewer that nobody has ranked or been assigned."""
    there = Response.objects.filter(prompt=OuterRef("pk")).order_by()
    counted = there.values("prompt").annotate(n=Count("pk")).filter(n__gte=responses)
    return project.prompts.filter(
        Exists(counted) if filled else ~Exists(counted),
        ~Exists(Ranking.objects.filter(prompt=OuterRef("pk"))),
        ~Exists(Assignment.objects.filter(prompt=OuterRef("pk"))),
        taken_out=False,
    ).order_by("pk")


def fill(
    project: Project,
    settings: Settings,
    *,
    done: Sampled | None = None,
    progress: Callable[[int], object] = int,
) -> Sampled:
    """Fill the project's prompts; `done` counts, and `progress` is told of what was stored.

    Raises SamplingError where a model cannot be asked; what has come before is stored.
    """
    done = done or Sampled()
    prompts = chosen(project, settings)
    try:
        done.queued += queue_filled(project, settings.responses)
        for model, arguments in settings.models:
            with sampler(settings.program, arguments) as running:
                work = Work(project, settings, running, done, progress, model)
                work.through(jobs(prompts, settings, model))
        done.short = prompts.filter(rankings_wanted=0).count()
    finally:
        if done.queued:
            # Who went past a prompt at the moment in which it was queued did not see it.
            with transaction.atomic():
                look_from_the_top(project.members.filter(queue_priority__isnull=False))
    return done


def chosen(project: Project, settings: Settings) -> QuerySet[Prompt]:
    """The prompts to fill: with a limit the first ones, which stay the same while they fill."""
    prompts = untouched(project, settings.responses, filled=False)
    if settings.limit is None:
        return prompts
    last = list(prompts.values_list("pk", flat=True)[: settings.limit])[-1:]
    return prompts.filter(pk__lte=last[0] if last else 0)


def queue_filled(project: Project, responses: int) -> int:
    """Have prompts wait that have enough already, and never did; how many."""
    queued = 0
    filled = untouched(project, responses, filled=True).filter(rankings_wanted=0)
    for pk in list(filled.values_list("pk", flat=True)):
        with transaction.atomic():
            prompt = Prompt.objects.select_for_update(no_key=True).filter(pk=pk).first()
            queued += prompt is not None and queue(project, prompt)
    return queued


def lacking(project: Project, settings: Settings) -> int:
    """How many responses the chosen prompts lack."""
    prompts = chosen(project, settings)
    there = Response.objects.filter(prompt__in=prompts.order_by().values("pk")).count()
    return prompts.count() * settings.responses - there


def jobs(prompts: QuerySet[Prompt], settings: Settings, model: str) -> Iterator[Job]:
    """What the prompts lack of a model, read some prompts at a time."""
    last = 0
    while found := list(
        prompts.filter(pk__gt=last).only("messages", "content_hash")[:PROMPTS_AT_ONCE]
    ):
        sources: dict[int, Counter[str]] = {prompt.pk: Counter() for prompt in found}
        there = Response.objects.filter(prompt__in=sources).values_list("prompt_id", "source")
        for pk, source in there:
            sources[pk][source] += 1
        for prompt in found:
            for voice, count in shares(prompt.pk, sources[prompt.pk], settings).items():
                if voice[0] == model:
                    yield from split(prompt, voice, count, settings.rows or count)
        last = found[-1].pk


def shares(prompt: int, sources: Counter[str], settings: Settings) -> dict[Voice, int]:
    """How many responses a prompt lacks of each model at each temperature.

    They take turns, and who is first changes from prompt to prompt. Responses that have come from
    elsewhere take places too.
    """
    voices = settings.voices
    ours = {settings.source(voice) for voice in voices}
    places = settings.responses - sum(n for source, n in sources.items() if source not in ours)
    turns: Counter[Voice] = Counter()
    for turn in count_up(prompt):
        voice = voices[turn % len(voices)]
        if turns.total() >= places:
            break
        turns[voice] += voice[1] > 0 or not turns[voice]  # without heat, all texts are one
    room = settings.responses - sources.total()
    found: dict[Voice, int] = {}
    for voice, share in turns.items():
        count = min(share - sources[settings.source(voice)], room)
        if count > 0:
            found[voice] = count
            room -= count
    return found


def split(prompt: Prompt, voice: Voice, count: int, most: int) -> Iterator[Job]:
    for begin in range(0, count, most):
        wanted = min(most, count - begin)
        yield Job(prompt.pk, prompt.content_hash, prompt.messages, voice, wanted, part=begin)


class Work:
    """Puts jobs to one model, some at a time, and stores what comes back."""

    def __init__(
        self,
        project: Project,
        settings: Settings,
        running: Sampler,
        done: Sampled,
        progress: Callable[[int], object],
        model: str,
    ) -> None:
        sources = [settings.source(voice) for voice in settings.voices if voice[0] == model]
        there = Response.objects.filter(prompt__project=project, source__in=sources)
        self.project = project
        self.settings = settings
        self.running = running
        self.done = done
        self.progress = progress
        self.waiting: dict[float, deque[Job]] = {heat: deque() for heat in settings.temperatures}
        self.under_way: dict[int, list[Job]] = {}
        self.refused: set[int] = set()  # prompts
        self.answered = there.exists()
        self.numbers = count_up(1)

    def through(self, source: Iterator[Job]) -> None:
        """All the jobs. Raises SamplingError where the model cannot be asked any more."""
        while True:
            while len(self.under_way) < self.settings.requests and (batch := self.batch(source)):
                number = next(self.numbers)
                self.under_way[number] = batch
                self.running.ask(self.request(number, batch))
            if not self.under_way:
                return
            answer = self.running.answer()
            self.take_in(self.under_way.pop(answer["id"]), answer["found"])

    def batch(self, source: Iterator[Job]) -> list[Job]:
        """Jobs for a request, of one temperature; none where nothing is left to ask."""
        full = max(self.settings.rows, 1)
        for job in source:
            waiting = self.waiting[job.voice[1]]
            waiting.append(job)
            if sum(one.count for one in waiting) >= full:
                return taken(waiting, full)
        return next((taken(waiting, full) for waiting in self.waiting.values() if waiting), [])

    def request(self, number: int, batch: Sequence[Job]) -> dict[str, Any]:
        """The same jobs get the same seed, whatever was asked before."""
        named = [(j.content_hash, j.voice, j.count, j.part, j.attempt) for j in batch]
        digest = hashlib.sha256(repr((self.settings.seed, named)).encode()).digest()
        return {
            "id": number,
            "temperature": batch[0].voice[1],
            "seed": int.from_bytes(digest[:4], "big") >> 1,
            "prompts": [{"messages": job.messages, "count": job.count} for job in batch],
        }

    def take_in(self, batch: Sequence[Job], found: Sequence[dict[str, Any]]) -> None:
        """Store an answer in one transaction; ask again for what has come before."""
        pairs = sorted(zip(batch, found, strict=True), key=lambda pair: pair[0].prompt)
        stored = patiently(lambda: self.store_all(pairs))
        for (job, told), (new, is_queued, is_open) in zip(pairs, stored, strict=True):
            if "error" in told:
                self.refuse(job.prompt, told["error"])
                continue
            self.answered = True
            self.done.responses += new
            self.done.prompts |= {job.prompt} if new else set()
            self.done.queued += is_queued
            self.done.cut += told["cut"]
            if not is_open:
                continue
            self.done.repeated += len(told["texts"]) - new
            if new < job.count and job.attempt + 1 < self.settings.tries:
                again = replace(job, count=job.count - new, attempt=job.attempt + 1)
                self.waiting[job.voice[1]].append(again)
        self.progress(sum(new for new, *_ in stored))

    def store_all(self, pairs: Sequence[tuple[Job, dict[str, Any]]]) -> list[Stored]:
        with transaction.atomic():
            return [self.store(job, told.get("texts", [])) for job, told in pairs]

    def refuse(self, prompt: int, reason: str) -> None:
        self.done.refusals += 1
        self.done.refused = self.done.refused or reason
        self.refused.add(prompt)
        if not self.answered and len(self.refused) >= WITHOUT_AN_ANSWER:
            raise SamplingError(
                f"none of the first {len(self.refused)} prompts was answered: {reason}"
            )

    def store(self, job: Job, texts: Sequence[str]) -> Stored:
        """Store what is new, and no more than there is room for.

        Nothing where a labeller has come to the prompt meanwhile.
        """
        locked = Prompt.objects.select_for_update(no_key=True).filter(pk=job.prompt)
        prompt = locked.first()
        if prompt is None or prompt.assignments.exists() or prompt.rankings.exists():
            return Stored(0, is_queued=False, is_open=False)
        there = set(prompt.responses.values_list("content_hash", flat=True))
        new: dict[str, str] = {}
        for text in map(clean, texts):
            if text and hash_text(text) not in there:
                new.setdefault(hash_text(text), text)
        new = dict(islice(new.items(), max(self.settings.responses - len(there), 0)))
        Response.objects.bulk_create(
            Response(
                prompt=prompt,
                text=text,
                source=self.settings.source(job.voice),
                content_hash=content_hash,
                names_itself=names_itself(text),
            )
            for content_hash, text in new.items()
        )
        enough = len(there) + len(new) >= self.settings.responses
        return Stored(len(new), enough and queue(self.project, prompt), is_open=not enough)


def queue(project: Project, prompt: Prompt) -> bool:
    """Have the prompt wait for labellers, if it does not already."""
    # As the settings are now: sampling takes hours.
    wanted = Project.objects.values_list("rankings_per_prompt", flat=True).get(pk=project.pk)
    past = project.members.filter(
        Q(queue_priority__lt=prompt.priority)
        | Q(queue_priority=prompt.priority, queue_prompt__gte=prompt.pk)
    )
    unqueued = Prompt.objects.filter(pk=prompt.pk, rankings_wanted=0, taken_out=False)
    return bool(
        unqueued.update(
            rankings_wanted=wanted,
            rankings_needed=wanted,
            came_back=prompt.came_back or past.exists(),
        )
    )


def taken(waiting: deque[Job], full: int) -> list[Job]:
    """The first jobs of those that wait, with about as many responses as a request may ask for."""
    batch = [waiting.popleft()]
    while waiting and sum(job.count for job in batch) + waiting[0].count <= full:
        batch.append(waiting.popleft())
    return batch


def clean(text: str) -> str:
    """A text as it is stored: without white space around it; empty if no database can hold it."""
    try:
        return storable(text.strip(), "a response")
    except ValueError:
        return ""
