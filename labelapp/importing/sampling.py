"""Sample responses from models for a project's prompts, and queue the prompts for labelling.

Each model runs in a separate process (training/sampling/protocol.py). Responses are stored as they
arrive, and what a prompt still lacks is computed from its rows, so an interrupted sampling resumes
where it stopped.
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

from labelapp.db.retry import with_retries
from labelapp.labelling.assignments import look_from_the_top
from labelapp.labelling.blinding import names_itself
from labelapp.models import Assignment, Project, Prompt, Ranking, Response, hash_text
from training.formats.ranking_file import storable
from training.sampling.protocol import Sampler, SamplingError, sampler

PROMPTS_PER_QUERY = 200
MAX_SOURCE = 500  # characters
MAX_FIRST_REFUSALS = 5  # if no prompt was answered before, the model is at fault

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
class Sampled:
    """Counts of what a sampling has done so far."""

    responses: int = 0
    prompts: set[int] = field(default_factory=set)  # with a new response
    queued: int = 0
    repeated: int = 0  # texts that the prompt already had, or empty ones
    cut: int = 0  # texts cut at the maximum length
    short: int = 0  # prompts that still have too few responses
    refusals: int = 0  # requests that a model refused
    refused: str = ""  # reason of the first refusal


class Stored(NamedTuple):
    """The result of storing a job's texts."""

    new: int  # responses
    is_queued: bool  # the prompt was added to the queue
    is_open: bool  # the prompt lacks further responses


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


def fill(
    project: Project,
    settings: Settings,
    *,
    done: Sampled | None = None,
    progress: Callable[[int], object] = int,
) -> Sampled:
    """Fill the project's prompts with responses, and return the counts in `done`.

    Calls `progress` with the number of responses stored. Raises SamplingError if a model cannot be
    run; the responses that arrived before are stored.
    """
    done = done or Sampled()
    prompts = prompts_to_fill(project, settings)
    try:
        done.queued += queue_filled(project, settings.responses)
        for model, arguments in settings.models:
            with sampler(settings.program, arguments) as running:
                sampling = ModelSampling(project, settings, running, done, progress, model)
                sampling.run(jobs(prompts, settings, model))
        done.short = prompts.filter(rankings_wanted=0).count()
    finally:
        if done.queued:
            # A labeller who passed a prompt at the moment it was queued did not see it.
            with transaction.atomic():
                look_from_the_top(project.members.filter(queue_priority__isnull=False))
    return done


def prompts_to_fill(project: Project, settings: Settings) -> QuerySet[Prompt]:
    """Return the prompts to fill; a limit selects the first ones once, before they are filled."""
    prompts = untouched(project, settings.responses, filled=False)
    if settings.limit is None:
        return prompts
    last = list(prompts.values_list("pk", flat=True)[: settings.limit])[-1:]
    return prompts.filter(pk__lte=last[0] if last else 0)


def queue_filled(project: Project, responses: int) -> int:
    """Queue the prompts that have enough responses and never were queued; return their number."""
    queued = 0
    filled = untouched(project, responses, filled=True).filter(rankings_wanted=0)
    for pk in list(filled.values_list("pk", flat=True)):
        with transaction.atomic():
            prompt = Prompt.objects.select_for_update(no_key=True).filter(pk=pk).first()
            queued += prompt is not None and queue(project, prompt)
    return queued


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


class ModelSampling:
    """Sends jobs to one model, several at a time, and stores the responses."""

    def __init__(
        self,
        project: Project,
        settings: Settings,
        running: Sampler,
        done: Sampled,
        progress: Callable[[int], object],
        model: str,
    ) -> None:
        sources = [settings.source(one) for one in settings.variants if one[0] == model]
        stored = Response.objects.filter(prompt__project=project, source__in=sources)
        self.project = project
        self.settings = settings
        self.running = running
        self.done = done
        self.progress = progress
        self.waiting: dict[float, deque[Job]] = {t: deque() for t in settings.temperatures}
        self.pending: dict[int, list[Job]] = {}
        self.refused: set[int] = set()  # prompts
        self.answered = stored.exists()
        self.numbers = count_up(1)

    def run(self, source: Iterator[Job]) -> None:
        """Run all jobs. Raises SamplingError if the model cannot be run any longer."""
        while True:
            while len(self.pending) < self.settings.requests and (batch := self.batch(source)):
                number = next(self.numbers)
                self.pending[number] = batch
                self.running.ask(self.request(number, batch))
            if not self.pending:
                return
            answer = self.running.answer()
            self.receive(self.pending.pop(answer["id"]), answer["found"])

    def batch(self, source: Iterator[Job]) -> list[Job]:
        """Return jobs of one temperature for a request; an empty list if none are left."""
        full = max(self.settings.rows, 1)
        for job in source:
            waiting = self.waiting[job.variant[1]]
            waiting.append(job)
            if sum(one.count for one in waiting) >= full:
                return pop_batch(waiting, full)
        return next((pop_batch(waiting, full) for waiting in self.waiting.values() if waiting), [])

    def request(self, number: int, batch: Sequence[Job]) -> dict[str, Any]:
        """Return a request whose seed depends only on the settings' seed and on its jobs."""
        identity = [(j.content_hash, j.variant, j.count, j.part, j.attempt) for j in batch]
        digest = hashlib.sha256(repr((self.settings.seed, identity)).encode()).digest()
        return {
            "id": number,
            "temperature": batch[0].variant[1],
            "seed": int.from_bytes(digest[:4], "big") >> 1,
            "prompts": [{"messages": job.messages, "count": job.count} for job in batch],
        }

    def receive(self, batch: Sequence[Job], answers: Sequence[dict[str, Any]]) -> None:
        """Store answers in one transaction, and retry the jobs whose texts were not new."""
        pairs = sorted(zip(batch, answers, strict=True), key=lambda pair: pair[0].prompt)
        stored = with_retries(lambda: self.store_all(pairs))
        for (job, answer), (new, is_queued, is_open) in zip(pairs, stored, strict=True):
            if "error" in answer:
                self.refuse(job.prompt, answer["error"])
                continue
            self.answered = True
            self.done.responses += new
            self.done.prompts |= {job.prompt} if new else set()
            self.done.queued += is_queued
            self.done.cut += answer["cut"]
            if not is_open:
                continue
            self.done.repeated += len(answer["texts"]) - new
            if new < job.count and job.attempt + 1 < self.settings.tries:
                retry = replace(job, count=job.count - new, attempt=job.attempt + 1)
                self.waiting[job.variant[1]].append(retry)
        self.progress(sum(new for new, *_ in stored))

    def store_all(self, pairs: Sequence[tuple[Job, dict[str, Any]]]) -> list[Stored]:
        with transaction.atomic():
            return [self.store(job, answer.get("texts", [])) for job, answer in pairs]

    def refuse(self, prompt: int, reason: str) -> None:
        self.done.refusals += 1
        self.done.refused = self.done.refused or reason
        self.refused.add(prompt)
        if not self.answered and len(self.refused) >= MAX_FIRST_REFUSALS:
            raise SamplingError(
                f"none of the first {len(self.refused)} prompts was answered: {reason}"
            )

    def store(self, job: Job, texts: Sequence[str]) -> Stored:
        """Store the new texts, up to the number of responses that the prompt lacks.

        Stores nothing if a labeller was given the prompt meanwhile.
        """
        locked = Prompt.objects.select_for_update(no_key=True).filter(pk=job.prompt)
        prompt = locked.first()
        if prompt is None or prompt.assignments.exists() or prompt.rankings.exists():
            return Stored(0, is_queued=False, is_open=False)
        stored = set(prompt.responses.values_list("content_hash", flat=True))
        new: dict[str, str] = {}
        for text in map(clean, texts):
            if text and hash_text(text) not in stored:
                new.setdefault(hash_text(text), text)
        new = dict(islice(new.items(), max(self.settings.responses - len(stored), 0)))
        Response.objects.bulk_create(
            Response(
                prompt=prompt,
                text=text,
                source=self.settings.source(job.variant),
                content_hash=content_hash,
                names_itself=names_itself(text),
            )
            for content_hash, text in new.items()
        )
        enough = len(stored) + len(new) >= self.settings.responses
        return Stored(len(new), enough and queue(self.project, prompt), is_open=not enough)


def queue(project: Project, prompt: Prompt) -> bool:
    """Queue the prompt; return False if it was queued before."""
    # Read again, because sampling takes hours and the setting may have changed.
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


def pop_batch(waiting: deque[Job], full: int) -> list[Job]:
    """Remove and return the first waiting jobs, with at most `full` responses, but at least one."""
    batch = [waiting.popleft()]
    while waiting and sum(job.count for job in batch) + waiting[0].count <= full:
        batch.append(waiting.popleft())
    return batch


def clean(text: str) -> str:
    """Return the stripped text, or an empty string if the database cannot store it."""
    try:
        return storable(text.strip(), "a response")
    except ValueError:
        return ""
