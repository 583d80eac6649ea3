"""Sample responses from models for a project's prompts, and queue the prompts for labelling.

Each model runs in a separate process (training/sampling/protocol.py). Responses are stored as they
arrive, and what a prompt still lacks is computed from its rows, so an interrupted sampling resumes
where it stopped.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count as count_up
from itertools import islice
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Q

from labelapp.db.retry import with_retries
from labelapp.importing.sampling_jobs import Job, Settings, jobs, prompts_to_fill, untouched
from labelapp.labelling.assignments import look_from_the_top
from labelapp.labelling.blinding import names_itself
from labelapp.models import Project, Prompt, Response, hash_text
from training.formats.ranking_file import storable
from training.sampling.protocol import Sampler, SamplingError, sampler

MAX_FIRST_REFUSALS = 5  # if no prompt was answered before, the model is at fault


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


def queue_filled(project: Project, responses: int) -> int:
    """Queue the prompts that have enough responses and never were queued; return their number."""
    queued = 0
    filled = untouched(project, responses, filled=True).filter(rankings_wanted=0)
    for pk in list(filled.values_list("pk", flat=True)):
        with transaction.atomic():
            prompt = Prompt.objects.select_for_update(no_key=True).filter(pk=pk).first()
            queued += prompt is not None and queue(project, prompt)
    return queued


@dataclass
class ModelSampling:
    """Sends jobs to one model, several at a time, and stores the responses."""

    project: Project
    settings: Settings
    running: Sampler
    done: Sampled
    progress: Callable[[int], object]
    model: str

    def __post_init__(self) -> None:
        variants = self.settings.variants
        sources = [self.settings.source(one) for one in variants if one[0] == self.model]
        stored = Response.objects.filter(prompt__project=self.project, source__in=sources)
        self.waiting: dict[float, deque[Job]] = {t: deque() for t in self.settings.temperatures}
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
