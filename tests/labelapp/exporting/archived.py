"""Projects as hypothesis thinks of them, as rows, and what must come back of them."""

import itertools
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st

from labelapp.models import (
    Assignment,
    Comment,
    Member,
    Origin,
    Placement,
    Project,
    Prompt,
    Ranking,
    Rating,
    Response,
    Role,
    SkipReason,
    hash_responses,
    hash_text,
)
from training.rankings import prompt_hash

NAMES = ("ann", "bob", "Çem 'x'", "rita")  # the last one reviews
LATER = datetime(2100, 1, 1, tzinfo=UTC)
numbers = itertools.count()

# Surrogates are no text, and PostgreSQL holds no NUL: the import refuses both.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
words = texts.filter(lambda text: text.strip())
moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))
times = st.floats(0, 1e6)


@dataclass
class Said:
    """A version of a verdict, on some responses by their places."""

    member: str
    places: list[int]
    ranks: list[int]
    origin: str
    current: bool
    surplus: bool
    all_bad: bool
    note: str
    seconds: float | None
    at: datetime
    ratings: list[tuple[int | None, list[str]] | None]
    gold: bool = False


@dataclass
class Lent:
    """A task."""

    member: str
    order: list[int]
    kind: str  # ranked, undone, skipped, lent, lapsed or taken back
    control: str
    surplus: bool
    seconds: float
    at: datetime
    over_at: datetime
    reason: str
    note: str


@dataclass
class Asked:
    """A prompt with all that was done with it."""

    messages: list[dict[str, str]]
    id: str | None
    responses: list[tuple[str, str, str]]  # text, id, source
    priority: int
    more_wanted: int
    taken_out: bool
    at: datetime
    tasks: list[Lent] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    comments: list[tuple[str, datetime, str]] = field(default_factory=list)


@st.composite
def verdicts(
    draw: st.DrawFn, member: str, places: list[int], origin: str, count: int, stands: bool
) -> list[Said]:
    """Versions of what a member says of some responses; the last one may stand."""
    found = []
    for number in range(count):
        drawn = [draw(st.integers(1, 4)) for _ in places]
        dense = {rank: place for place, rank in enumerate(sorted(set(drawn)), start=1)}
        rating = st.none() | st.tuples(
            st.none() | st.integers(1, 7), st.lists(words, max_size=2, unique=True)
        )
        found.append(
            Said(
                member=member,
                places=places,
                ranks=[dense[rank] for rank in drawn],
                origin=origin,
                current=stands and number == count - 1,
                surplus=draw(st.booleans()),
                all_bad=draw(st.booleans()),
                note=draw(texts),
                seconds=draw(st.none() | times),
                at=draw(moments),
                ratings=[draw(rating) if draw(st.booleans()) else None for _ in places],
            )
        )
    return found


@st.composite
def tasks(draw: st.DrawFn, asked: Asked, member: str) -> None:
    """What a member did with a prompt: a task, their verdicts on it, perhaps once more."""
    count = len(asked.responses)
    size = draw(st.integers(4, min(count, 9)))
    order = draw(st.permutations(range(count)))[:size]
    kind = draw(
        st.sampled_from(
            ["ranked", "ranked", "ranked", "undone", "skipped", "lent", "lapsed", "taken back"]
        )
    )
    task = Lent(
        member=member,
        order=order,
        kind=kind,
        control=draw(st.sampled_from(["", "", "gold"])),
        surplus=draw(st.booleans()),
        seconds=draw(times),
        at=draw(moments),
        over_at=draw(moments),
        reason=draw(st.sampled_from(SkipReason.values)),
        note=draw(texts),
    )
    asked.tasks.append(task)
    if kind in ("ranked", "undone"):
        versions = draw(st.integers(1, 3))
        asked.said += draw(verdicts(member, order, Origin.HERE, versions, kind == "ranked"))
    if kind == "ranked" and draw(st.booleans()):
        again = draw(st.permutations(order))
        asked.tasks.append(
            Lent(
                *(member, again, "ranked", "repeat", True, draw(times), draw(moments)),
                *(draw(moments), "other", ""),
            )
        )
        asked.said += draw(verdicts(member, again, Origin.REPEATED, 1, False))


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    said = draw(st.lists(words | st.just("x"), min_size=2, max_size=11, unique=True))
    roles = st.sampled_from(["user", "assistant", "system"])
    turns = [{"role": draw(roles), "content": draw(words)} for _ in range(draw(st.integers(1, 2)))]
    ids = st.sampled_from(["", "a", "b", "1", hash_text("x")[:12]]) | texts
    found = Asked(
        messages=turns,
        id=draw(st.none() | words),
        responses=[(text, draw(ids), draw(texts)) for text in said],
        priority=draw(st.sampled_from([0, 0, -5, 2**31 - 1])),
        more_wanted=draw(st.integers(0, 2)) if len(said) >= 4 else 0,
        taken_out=draw(st.booleans()),
        at=draw(moments),
    )
    if len(said) >= 4:
        for member in draw(st.lists(st.sampled_from(NAMES[:3]), max_size=3, unique=True)):
            draw(tasks(found, member))
    places = st.lists(
        st.integers(0, len(said) - 1), min_size=2, max_size=min(len(said), 9), unique=True
    )
    for kind, by in draw(
        st.lists(st.sampled_from([("imported", n) for n in NAMES] + [("adjudicated", NAMES[3])]))
    )[:3]:
        chosen = draw(places)
        if not any(s.member == by and set(s.places) == set(chosen) for s in found.said):
            found.said += draw(verdicts(by, chosen, kind, draw(st.integers(1, 2)), True))
    if found.said and draw(st.booleans()):
        draw(st.sampled_from(found.said)).gold = True
    comments = st.tuples(st.sampled_from(NAMES), moments, texts.filter(bool))
    found.comments = draw(st.lists(comments, max_size=2, unique=True))
    return found


projects = st.lists(
    asked(),
    max_size=3,
    unique_by=(lambda one: prompt_hash(one.messages), lambda one: one.id or object()),
)


def build(given: list[Asked]) -> Project:
    project = Project.objects.create(name="From", slug=f"from-{next(numbers)}")
    members = {
        name: Member.objects.create(
            project=project, name=name, role=Role.REVIEWER if name == "rita" else Role.LABELLER
        )
        for name in NAMES
    }
    for one in given:
        build_prompt(project, one, members)
    return project


def build_prompt(project: Project, one: Asked, members: dict[str, Member]) -> None:
    fills = [is_wanted(task) for task in one.tasks]
    wanted = sum(fills) if one.taken_out else sum(fills) + one.more_wanted
    prompt = Prompt.objects.create(
        project=project,
        messages=one.messages,
        content_hash=prompt_hash(one.messages),
        external_id=one.id,
        priority=one.priority,
        taken_out=one.taken_out,
        rankings_wanted=wanted,
        rankings_needed=wanted - sum(fills),
    )
    Prompt.objects.filter(pk=prompt.pk).update(created_at=one.at)
    responses = [
        Response.objects.create(
            prompt=prompt, text=text, external_id=id_, source=source, content_hash=hash_text(text)
        )
        for text, id_, source in one.responses
    ]
    slots = itertools.count(1)
    for task, fill in zip(one.tasks, fills, strict=True):
        skipped, ranked = task.kind == "skipped", task.kind == "ranked"
        Assignment.objects.create(
            prompt=prompt,
            member=members[task.member],
            order=[responses[place].pk for place in task.order],
            slot=next(slots) if fill else None,
            seconds=task.seconds,
            created_at=task.at,
            expires_at=LATER,
            gold=task.control == "gold",
            repeat=task.control == "repeat",
            taken_back=task.kind == "taken back",
            submitted_at=task.over_at if ranked else None,
            skipped_at=task.over_at if skipped else None,
            skip_reason=task.reason if skipped else "",
            skip_note=task.note if skipped else "",
        )
        Member.objects.filter(pk=members[task.member].pk).update(
            ranked=members[task.member].ranked + ranked
        )
        members[task.member].refresh_from_db()
    versions: Counter[tuple[str, frozenset[int]]] = Counter()
    for said in one.said:
        key = (said.member, frozenset(said.places))
        versions[key] += 1
        build_ranking(prompt, members[said.member], responses, said, versions[key])
    for by, at, text in one.comments:
        Comment.objects.create(prompt=prompt, member=members[by], created_at=at, text=text)


def is_wanted(task: Lent) -> bool:
    """Whether a task holds a slot. One that was undone may still have its own."""
    if task.control or task.kind in ("skipped", "lapsed", "taken back"):
        return False
    return task.kind == "lent" or not task.surplus


def build_ranking(
    prompt: Prompt, member: Member, responses: list[Response], said: Said, version: int
) -> None:
    chosen = [responses[place] for place in said.places]
    ranking = Ranking.objects.create(
        prompt=prompt,
        member=member,
        responses_hash=hash_responses(response.content_hash for response in chosen),
        version=version,
        is_current=said.current,
        origin=said.origin,
        surplus=said.surplus,
        is_gold=said.gold,
        seconds=said.seconds,
        all_bad=said.all_bad,
        note=said.note,
        key=uuid4(),
        created_at=said.at,
    )
    for response, rank, rating in zip(chosen, said.ranks, said.ratings, strict=True):
        Placement.objects.create(ranking=ranking, response=response, rank=rank)
        if rating is not None:
            Rating.objects.create(
                ranking=ranking, response=response, score=rating[0], flags=rating[1]
            )


def held(project: Project) -> dict[str, list[Any]]:
    """What a project has that is not passing, whatever its rows are called."""
    text_of = dict(Response.objects.filter(prompt__project=project).values_list("pk", "text"))
    tasks = [
        {
            **{name: getattr(task, name) for name in TASK},
            "prompt": task.prompt.content_hash,
            "member": task.member.name,
            "order": [text_of[pk] for pk in task.order],
            "slot": task.slot is not None and task.submitted_at is not None,
        }
        for task in Assignment.objects.filter(prompt__project=project).select_related(
            "prompt", "member"
        )
        if task.submitted_at or task.skipped_at or task.taken_back or was_ranked(task)
    ]
    slots = Counter(task["prompt"] for task in tasks if task["slot"])
    rankings = [
        {
            **{name: getattr(ranking, name) for name in RANKING},
            "prompt": ranking.prompt.content_hash,
            "member": ranking.member.name,
            "ranks": {text_of[pk]: rank for pk, rank in ranking.ranks().items()},
            "ratings": {
                text_of[rating.response_id]: (rating.score, rating.flags)
                for rating in ranking.ratings.all()
            },
        }
        for ranking in Ranking.objects.filter(prompt__project=project).select_related(
            "prompt", "member"
        )
    ]
    return {
        "prompts": [prompt_row(prompt, slots) for prompt in project.prompts.order_by("pk")],
        "tasks": sorted(tasks, key=lambda t: (t["prompt"], t["member"], t["repeat"])),
        "rankings": sorted(rankings, key=str),
        "comments": list(
            Comment.objects.filter(prompt__project=project)
            .order_by("prompt__pk", "created_at", "pk")
            .values_list("prompt__content_hash", "member__name", "created_at", "text")
        ),
        "people": sorted(project.members.values_list("name", "role", "ranked", "is_active")),
    }


TASK = (
    *("seconds", "created_at", "gold", "repeat", "taken_back"),
    *("submitted_at", "skipped_at", "skip_reason", "skip_note"),
)
RANKING = (
    *("responses_hash", "version", "is_current", "origin", "surplus", "is_gold", "seconds"),
    *("all_bad", "note", "created_at"),
)


def was_ranked(task: Assignment) -> bool:
    said = Ranking.objects.filter(prompt=task.prompt_id, member=task.member_id)
    origin = Origin.REPEATED if task.repeat else Origin.HERE
    return said.filter(origin=origin).exists()


def prompt_row(prompt: Prompt, slots: Counter[str]) -> dict[str, Any]:
    """What is lent now waits again, unless nobody else is to have it."""
    made = slots[prompt.content_hash]
    wanted = made if prompt.taken_out else prompt.rankings_wanted
    return {
        "messages": prompt.messages,
        "id": prompt.external_id,
        "priority": prompt.priority,
        "wanted": wanted,
        "needed": wanted - made,
        "taken out": prompt.taken_out,
        "created_at": prompt.created_at,
        "responses": list(prompt.responses.order_by("pk").values_list("text", "source")),
    }
