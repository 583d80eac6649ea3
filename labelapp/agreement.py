"""Agreement: how far a project's labellers rank alike, measured in the background.

The figures are computed in a process of its own (`manage.py measure_agreement`), because they need
numpy, which the pages do without: it would cost each of their processes 16 MiB. The task worker
starts it; what it found stays as the result of the task, and the pages read it there.
"""

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, Self

from django.conf import settings
from django.db import OperationalError
from django.db.models.functions import Length
from django.utils import timezone
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from labelapp.models import Assignment, Origin, Placement, Project
from labelapp.runs import environment

TASK = "labelapp.tasks.measure_agreement"
BEAT_SECONDS = 20  # between signs of life of a measurement
SILENT = timedelta(minutes=5)  # for so long, and it went with its task worker
CHUNK = 2000  # rows in memory at a time


@dataclass(frozen=True)
class Figure:
    """A figure with what is needed to judge it, or the reason why there is none."""

    name: str
    unit: str  # what `count` counts
    count: int = 0
    prompts: int = 0  # that have a part in it; the interval is over these
    value: float | None = None
    low: float | None = None  # 95 % interval; none where too few prompts have a part
    high: float | None = None
    chance: float | None = None  # what labellers who do not read come to
    why_not: str = ""  # why there is no value or, beside a value, no interval


# Of what was measured by a version of Podium that did not know the figure.
MEASURED_BEFORE = Figure("", "comparisons", why_not="Measure again to see it.")


@dataclass(frozen=True)
class Alarm:
    """What of a labeller's rankings stands out. A hint, and no verdict."""

    kind: str
    badge: str  # in two or three words
    text: str  # what was seen, beside what the others do


@dataclass(frozen=True)
class Person:
    """One labeller beside the others."""

    member: int | None  # None: all together
    rankings: int
    median_seconds: float | None  # at work on a ranking, of those that were timed
    agreement: Figure  # with the others
    ties: Figure  # of all pairs, those that are tied
    first: Figure  # of pairs ranked apart, those where the better one was shown before the other
    longer: Figure  # of pairs ranked apart, those where the better one is longer
    consistency: Figure = MEASURED_BEFORE  # with themselves, when a prompt came again
    gold: Figure = MEASURED_BEFORE  # with gold rankings by others
    alarms: Sequence[Alarm] = ()

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        figures = {name: Figure(**value) for name, value in found.items() if type(value) is dict}
        alarms = tuple(Alarm(**alarm) for alarm in found.get("alarms", ()))
        return cls(**{**found, **figures, "alarms": alarms})


@dataclass(frozen=True)
class Agreement:
    """A project's agreement, and what it was measured on."""

    rankings: int
    labellers: int
    prompts: int
    shared_prompts: int  # that two labellers or more have ranked
    figures: Sequence[Figure]
    people: Sequence[Person]  # those with the most rankings first; all together at the end

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        figures = [Figure(**figure) for figure in found["figures"]]
        people = [Person.from_json(person) for person in found["people"]]
        return cls(**{**found, "figures": figures, "people": people})

    def named(self) -> dict[str, Figure]:
        return {figure.name: figure for figure in self.figures}


class Ranked(NamedTuple):
    """A ranking, as much of it as agreement and habits look at."""

    member: int
    ranks: dict[int, int]  # response -> rank, 1 = best
    seconds: float | None = None  # at work on it
    places: dict[int, int] | None = None  # response -> where it was shown, from 0; None: not known
    lengths: dict[int, int] | None = None  # response -> characters
    prompt: int | None = None


def rankings_by_prompt(project: Project) -> Iterator[list[Ranked]]:
    """The rankings that count, prompt by prompt, in two queries that are read as streams.

    Those that are current and were wanted. An adjudicated ranking is left out: who made it had seen
    the others'.
    """
    rows = (
        Placement.objects.filter(
            ranking__prompt__project=project, ranking__is_current=True, ranking__surplus=False
        )
        .exclude(ranking__origin=Origin.ADJUDICATED)
        .order_by("ranking__prompt_id", "ranking_id", "response_id")
        .values_list(
            *("ranking__prompt_id", "ranking_id", "ranking__member_id", "ranking__seconds"),
            *("response_id", "rank", Length("response__text")),
        )
    )
    orders = shown_orders(project)
    shown_of, shown = next(orders, NO_MORE)
    for prompt, of_prompt in groupby(rows.iterator(chunk_size=CHUNK), key=itemgetter(0)):
        while shown_of < prompt:
            shown_of, shown = next(orders, NO_MORE)
        orders_here = shown if shown_of == prompt else {}
        yield [
            ranked(
                member, seconds, [placement[4:] for placement in placements], orders_here, prompt
            )
            for (_, member, seconds), placements in groupby(of_prompt, key=itemgetter(1, 2, 3))
        ]


Orders = dict[int, list[int]]  # member -> responses as they were shown
NO_MORE: tuple[float, Orders] = (math.inf, {})


def shown_orders(project: Project) -> Iterator[tuple[float, Orders]]:
    """In which order each labeller was shown the responses, prompt by prompt."""
    rows = (
        Assignment.objects.ranked()
        .filter(prompt__project=project, repeat=False)
        .order_by("prompt_id")
        .values_list("prompt_id", "member_id", "order")
    )
    for prompt, group in groupby(rows.iterator(chunk_size=CHUNK), key=itemgetter(0)):
        yield prompt, {member: order for _, member, order in group}


def ranked(
    member: int,
    seconds: float | None,
    placements: Sequence[tuple[int, int, int]],
    orders: Orders,
    prompt: int,
) -> Ranked:
    """A ranking from its rows. Of responses made elsewhere nobody knows how they were shown."""
    ranks = {response: rank for response, rank, _ in placements}
    order = orders.get(member, [])
    places = {response: place for place, response in enumerate(order)}
    return Ranked(
        member=member,
        ranks=ranks,
        seconds=seconds,
        places=places if places.keys() == ranks.keys() else None,
        lengths={response: length for response, _, length in placements},
        prompt=prompt,
    )


class CannotMeasureError(Exception):
    """The process that measures failed; the message is the end of what it said."""


def measure(project: Project) -> dict[str, Any]:
    """Measure in a process of its own. Raises CannotMeasureError where that fails."""
    command = [sys.executable, "manage.py", "measure_agreement", f"--project={project.slug}"]
    with subprocess.Popen(
        [*command, "--json", "--by-task"],
        cwd=settings.BASE_DIR,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            out, errors = said_by(process, project)
        finally:
            process.kill()  # at its end already, or no longer wanted
    if process.returncode != 0:
        said = errors.strip().splitlines()
        raise CannotMeasureError(said[-1] if said else f"exit status {process.returncode}")
    found: dict[str, Any] = json.loads(out)
    return found


def said_by(process: "subprocess.Popen[str]", project: Project) -> tuple[str, str]:
    """What a process said until its end, noting meanwhile that it is at it."""
    while True:
        try:
            return process.communicate(timeout=BEAT_SECONDS)
        except subprocess.TimeoutExpired:
            beat(project)


def beat(project: Project) -> None:
    """Note that the project is still being measured, unless the database is busy."""
    tasks = DBTaskResult.objects.filter(task_path=TASK, args_kwargs__args__0=project.pk)
    with suppress(OperationalError):
        tasks.filter(status=TaskResultStatus.RUNNING).update(started_at=timezone.now())


def store(project: Project, found: Agreement, began: datetime) -> None:
    """Have the pages show a measurement that no task made, as they show those of tasks."""
    now = timezone.now()
    DBTaskResult.objects.create(
        task_path=TASK,
        args_kwargs={"args": [project.pk], "kwargs": {}},
        status=TaskResultStatus.SUCCESSFUL,
        run_after=now,
        started_at=began,
        finished_at=now,
        return_value=found.to_json(),
    )


@dataclass(frozen=True)
class Measurement:
    """What a page shows: the last agreement that was measured, and whether one is on its way."""

    agreement: Agreement | None = None
    at: datetime | None = None  # when it was measured
    is_active: bool = False
    failed: str = ""  # why the last one, after this, came to nothing


def last_measurement(project: Project) -> Measurement:
    tasks = DBTaskResult.objects.filter(task_path=TASK, args_kwargs__args__0=project.pk)
    newest = tasks.order_by("-enqueued_at").first()
    if newest is None:
        return Measurement()
    good = tasks.filter(status=TaskResultStatus.SUCCESSFUL).order_by("-finished_at").first()
    return Measurement(
        agreement=Agreement.from_json(good.return_value or {}) if good else None,
        at=good.finished_at if good else None,
        is_active=is_active(newest),
        failed=failure(newest),
    )


def is_active(task: "DBTaskResult[Any, Any]") -> bool:
    """Whether a task waits or runs. One that gives no sign of life went with its worker."""
    if task.status == TaskResultStatus.RUNNING:
        return task.started_at is not None and task.started_at > timezone.now() - SILENT
    return bool(task.status == TaskResultStatus.READY)


def failure(task: "DBTaskResult[Any, Any]") -> str:
    """Why a task came to nothing, in a line; empty where it did not."""
    if task.status == TaskResultStatus.FAILED:
        lines = task.traceback.strip().splitlines()
        return lines[-1].partition(": ")[2] if lines else "no reason was given"
    if task.status == TaskResultStatus.RUNNING and not is_active(task):
        return "the task worker that measured has gone"
    return ""
