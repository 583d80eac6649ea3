"""People with roles, a project, and prompts for them to rank."""

import gc
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import translation
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django.fixtures import Settings

from labelapp.models import (
    Member,
    Placement,
    Project,
    Prompt,
    Ranking,
    Response,
    Role,
    User,
    hash_responses,
    hash_text,
)
from training.rankings import prompt_hash

# What is imported and collected stays: the garbage collector would look through it again and again,
# a third of the time that collecting the tests takes.
gc.disable()

# How long an example takes to draw and to test depends on what else the machine does.
hypothesis_settings.register_profile(
    "podium", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("podium")

PASSWORD = "a long enough password"

AddPrompt = Callable[..., Prompt]
AddRanking = Callable[..., Ranking]


# So that no process has a long file to itself in the end, while the others have nothing to do.
LONGEST = (
    "test_accessibility",
    "test_gpu",
    "test_second_machine",
    "test_killed_database",
    "test_processes",
    "test_accessibility_campaign",
    "test_serve",
    "test_resume",
    "test_accessibility_labelling",
    "test_pages",
    "test_ranking",
    "test_reading",
    "test_inserting",
    "test_takeover",
    "test_storm",
    "test_models",
    "test_journey",
    "test_compare",
    "test_lifecycle",
)


def pytest_xdist_auto_num_workers() -> int:
    """Return two processes more than there are cores, since tests also wait for other processes."""
    return min(6, (os.cpu_count() or 1) + 2)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, and mark the tests that run on PostgreSQL as well."""
    order = {stem: place for place, stem in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & {"db", "transactional_db"} or item.get_closest_marker("django_db"):
            item.add_marker("database")


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """Clear the cache and the active language, which would leak into the next test.

    Primary keys repeat in every test, so a value cached by one would match rows of the next.
    """
    cache.clear()
    translation.deactivate()


@pytest.fixture(autouse=True)
def data_dir(settings: Settings, tmp_path: Path) -> None:
    """Give each test an empty folder for runs and files."""
    settings.DATA_DIR = tmp_path


@pytest.fixture
def project(db: None) -> Project:
    return Project.objects.create(name="Kitchen", slug="kitchen", guidelines="Prefer *short*.")


def join(project: Project, name: str, role: Role) -> Member:
    user = User.objects.create_user(name, password=PASSWORD)
    return Member.objects.create(project=project, user=user, name=name, role=role)


@pytest.fixture
def manager(project: Project) -> Member:
    return join(project, "manager", Role.MANAGER)


@pytest.fixture
def reviewer(project: Project) -> Member:
    return join(project, "reviewer", Role.REVIEWER)


@pytest.fixture
def labeller(project: Project) -> Member:
    return join(project, "labeller", Role.LABELLER)


@pytest.fixture
def root(db: None) -> User:
    """Return an administrator, who is a member of no project."""
    return User.objects.create_superuser("root", password=PASSWORD)


@pytest.fixture
def outsider(db: None) -> User:
    """Return somebody who can sign in, and is a member of no project."""
    return User.objects.create_user("outsider", password=PASSWORD)


def sign_in(person: Member | User) -> Client:
    """Return a browser in which this person is signed in."""
    user = person.user if isinstance(person, Member) else person
    assert user is not None
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def add_prompt(project: Project) -> AddPrompt:
    """Return a function that adds a prompt with responses, wanted by a number of labellers."""

    def add(
        text: str = "Why is the sky blue?",
        responses: Sequence[str] = ("Scattering.", "Paint.", "The sea.", "Nobody knows."),
        wanted: int = 1,
        **fields: object,
    ) -> Prompt:
        messages = [{"role": "user", "content": text}]
        prompt = Prompt.objects.create(
            project=project,
            messages=messages,
            content_hash=prompt_hash(messages),
            rankings_wanted=wanted,
            rankings_needed=wanted,
            **fields,
        )
        Response.objects.bulk_create(
            Response(prompt=prompt, text=t, source=f"model-{i}", content_hash=hash_text(t))
            for i, t in enumerate(responses)
        )
        return prompt

    return add


@pytest.fixture
def add_ranking() -> AddRanking:
    """Return a function that adds a member's ranking of a prompt, ranks in the responses' order."""

    def add(prompt: Prompt, member: Member, ranks: Sequence[int], **fields: object) -> Ranking:
        responses = list(prompt.responses.order_by("pk"))
        ranking = Ranking.objects.create(
            prompt=prompt,
            member=member,
            responses_hash=hash_responses(r.content_hash for r in responses),
            **fields,
        )
        Placement.objects.bulk_create(
            Placement(ranking=ranking, response=response, rank=rank)
            for response, rank in zip(responses, ranks, strict=True)
        )
        return ranking

    return add


@pytest.fixture(scope="session")
def on_postgresql() -> bool:
    return connection.vendor == "postgresql"
