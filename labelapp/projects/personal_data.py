"""Export everything that Podium stores about a person, to be given to them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, Q, QuerySet

from labelapp.models import Member, Project, Prompt, Ranking, Response, User
from labelapp.web.sessions import BROWSER, USED_AT, sessions_of
from labelapp.web.signin import failures_of

# What a row refers to is named by this column.
NAMED_BY: dict[Any, str] = {
    User: "username",
    Project: "slug",
    Member: "name",
    Prompt: "content_hash",  # the texts belong to the project
    Response: "content_hash",  # the order of their ids may tell their sources
}
LEFT_OUT = {
    "password",
    "order",  # ids of responses
    # These tell a labeller which tasks measure them.
    "gold",
    "repeat",
    "origin",
    "slot",
    "surplus",
    "is_gold",
    "taken_back",
    # The results of what a person has started are the project's.
    "rows",
    "metrics",
    "manifest",
    "result",
    "outcome",
    "lineage",
    "evidence",
    "sha256",  # a secret's
}


@dataclass(frozen=True)
class Person:
    """An account with its memberships, or a name in imported rankings, without an account."""

    user: User | None
    members: QuerySet[Member]

    @property
    def name(self) -> str:
        return self.user.username if self.user else self.members[0].name


def person_of(user: User) -> Person:
    return Person(user, Member.objects.filter(user=user))


def export(person: Person) -> Iterator[str]:
    """Yield everything that is stored about a person as one JSON object: rows by their table."""
    for number, (name, rows) in enumerate(tables(person)):
        yield f'{"," if number else "{"}\n"{name}": ['
        for place, row in enumerate(rows):
            text = json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False)
            yield f"{',' if place else ''}\n  {text}"
        yield "\n]"
    yield "\n}\n"


def tables(person: Person) -> Iterator[tuple[str, Iterable[Any]]]:
    """Yield the tables that may hold data of a person, with their rows."""
    for model in apps.get_models(include_auto_created=True):
        if (condition := belongs_to(model, person)) is not None:
            rows = model._default_manager.filter(condition).order_by("pk")
            yield model._meta.label_lower, rows.values(*columns(model)).iterator()
    if person.user is not None:
        sessions = [(row.expire_date, row.get_decoded()) for row in sessions_of(person.user)]
        yield (
            "sessions",
            [
                {"expires": end, "used": data.get(USED_AT), "browser": data.get(BROWSER)}
                for end, data in sessions
            ],
        )
        yield "sign-in failures", failures_of(person.user.username).values("count", "last_at")
    yield "admin log about the person", log_about(person).values()


def belongs_to(model: type[Model], person: Person) -> Q | None:
    """Return the condition that a row is the person's, or None for tables that hold no such rows.

    A row is theirs if it is their account or membership, or refers to these or to their rankings.
    """
    condition = Q()
    if model is Member:
        condition |= Q(pk__in=person.members)
    if model is User and person.user is not None:
        condition |= Q(pk=person.user.pk)
    for field in model._meta.concrete_fields:
        if field.related_model is User and person.user is not None:
            condition |= Q(**{field.name: person.user})
        elif field.related_model is Member:
            condition |= Q(**{f"{field.name}__in": person.members})
        elif field.related_model is Ranking:
            condition |= Q(**{f"{field.name}__member__in": person.members})
    return condition or None


def columns(model: type[Model]) -> list[str]:
    """Return the columns of a table that are given to the person."""
    fields = [field for field in model._meta.concrete_fields if field.name not in LEFT_OUT]
    return [
        f"{field.name}__{NAMED_BY[field.related_model]}"
        if field.related_model in NAMED_BY
        else field.attname
        for field in fields
    ]


def log_about(person: Person) -> QuerySet[LogEntry]:
    """Return the entries of the admin site's log about a person's account and memberships."""
    rows: dict[type[Model], list[Any]] = {
        User: [person.user] if person.user else [],
        Member: list(person.members),
    }
    about = Q(pk=None)
    for model, found in rows.items():
        kind = ContentType.objects.get_for_model(model)
        about |= Q(content_type=kind, object_id__in=[str(row.pk) for row in found])
    return LogEntry.objects.filter(about)
