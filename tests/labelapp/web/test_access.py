"""Access: every address checks the person, and every object that it names, by itself."""

from datetime import timedelta

import pytest
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from labelapp.models import (
    AliasMove,
    Assignment,
    Comment,
    Exclusion,
    Export,
    Invitation,
    Member,
    MemberMessage,
    MemberNote,
    ModelVersion,
    Project,
    Prompt,
    Ranking,
    Response,
    Role,
    ServiceToken,
    TrainingRun,
    Upload,
    User,
)
from tests.conftest import AddPrompt, AddRanking, join, sign_in
from tests.labelapp.web.addresses import Address, addresses

OF_PROJECTS = [address for address in addresses() if "slug" in address.parts]
NO_ROWS = {"slug", "place"}  # a place in a project's own list of practice prompts
WITH_OBJECTS = [address for address in OF_PROJECTS if set(address.parts) - NO_ROWS]
PUBLIC = {
    "login",
    "words",
    "language",
    "join",
    "reset_password",
}  # open to those who are not signed in

# The rows that the parts of an address name, by the address and the part.
ROWS = {
    "people": "member",
    "invitations": "invitation",
    "my-work": "assignment",
    "prompts": "prompt",
    "disagreements": "prompt",
    "reviewing": "prompt",
    "export": "export",
    "uploads": "upload",
    "runs": "run",
    "models": "version",
    "tokens": "token",
}
BELOW = {
    "task": "assignment",
    "ranking": "ranking",
    "comment_pk": "comment",
    "note": "note",
    "message": "message",
}


def kind(address: Address, part: str) -> str:
    return BELOW.get(part) or ROWS[address.route.split("/")[2]]


@pytest.fixture
def elsewhere(project: Project, add_prompt: AddPrompt, add_ranking: AddRanking) -> dict[str, Model]:
    """A row of each kind, all in another project."""
    attic = Project.objects.create(name="Attic", slug="attic")
    stranger = join(attic, "stranger", Role.MANAGER)
    prompt = add_prompt("Theirs?")
    ranking = add_ranking(prompt, stranger, (1, 2, 3, 4))
    Prompt.objects.filter(pk=prompt.pk).update(project=attic)
    order = list(Response.objects.filter(prompt=prompt).values_list("pk", flat=True))
    later = timezone.now() + timedelta(days=1)
    run = TrainingRun.objects.create(project=attic, config={})
    return {
        "member": stranger,
        "invitation": Invitation.objects.create(project=attic, expires_at=later),
        "prompt": prompt,
        "ranking": ranking,
        "assignment": Assignment.objects.create(
            prompt=prompt, member=stranger, order=order, expires_at=later, slot=1
        ),
        "comment": Comment.objects.create(prompt=prompt, member=stranger, text="Theirs."),
        "note": MemberNote.objects.create(member=stranger, text="Theirs."),
        "message": MemberMessage.objects.create(member=stranger, text="Theirs."),
        "export": Export.objects.create(project=attic),
        "upload": Upload.objects.create(project=attic, name="theirs.jsonl", size=1),
        "run": run,
        "version": ModelVersion.objects.create(project=attic, number=7, run=run),
        "token": ServiceToken.objects.create(project=attic, name="theirs", sha256="0" * 64),
    }


def stored() -> list[object]:
    """Return everything that requests could change."""
    models = (
        AliasMove, Assignment, Comment, Exclusion, Export, Invitation, Member, MemberMessage,
        MemberNote, ModelVersion, Project, Prompt, Ranking, ServiceToken, TrainingRun, Upload,
    )  # fmt: skip
    return [list(model.objects.order_by("pk").values()) for model in models]


@pytest.mark.parametrize("address", addresses(), ids=str)
def test_who_is_not_signed_in_is_sent_to_sign_in(project: Project, address: Address) -> None:
    if address.name in PUBLIC:
        return
    for method in ("get", "post"):
        response = getattr(Client(), method)(address.url())
        assert response.status_code == 302
        assert response["Location"].startswith("/sign-in/")


@pytest.mark.parametrize("address", OF_PROJECTS, ids=str)
def test_a_project_of_others_does_not_exist(
    elsewhere: dict[str, Model], outsider: User, manager: Member, address: Address
) -> None:
    """Nothing in it exists either, even for a manager of another project who knows its number."""
    before = stored()
    rows = values(address, elsewhere)
    for person in (outsider, manager):
        for method in ("get", "post"):
            response = getattr(sign_in(person), method)(address.url(slug="attic", **rows))
            assert response.status_code in (404, 405), (person, method)
    assert stored() == before


@pytest.mark.parametrize("address", WITH_OBJECTS, ids=str)
def test_what_belongs_to_another_project_is_not_reached_through_ones_own(
    elsewhere: dict[str, Model], manager: Member, address: Address
) -> None:
    before = stored()
    rows = values(address, elsewhere)
    codes = set()
    for method in ("get", "post"):
        response = getattr(sign_in(manager), method)(address.url(slug="kitchen", **rows))
        codes.add(response.status_code)
    assert codes <= {404, 405}
    assert 404 in codes
    assert stored() == before


def values(address: Address, rows: dict[str, Model]) -> dict[str, object]:
    """Return the values in the address for each row that it names."""
    parts = [part for part in address.parts if part not in NO_ROWS]
    return {part: number(rows[kind(address, part)], part) for part in parts}


def number(row: Model, part: str) -> object:
    if isinstance(row, ModelVersion):
        return row.number
    return row.token if isinstance(row, Assignment) and part == "token" else row.pk


@pytest.mark.parametrize(
    "address", [each for each in WITH_OBJECTS if set(each.parts) & set(BELOW)], ids=str
)
def test_a_row_is_reached_only_through_the_row_that_it_belongs_to(
    manager: Member,
    labeller: Member,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    address: Address,
) -> None:
    """A ranking of one prompt, for example, is not made gold through the address of another."""
    one, other = add_prompt("One?"), add_prompt("Other?")
    ranking = add_ranking(other, labeller, (1, 2, 3, 4))
    later = timezone.now() + timedelta(days=1)
    rows = {
        "ranking": ranking.pk,
        "task": Assignment.objects.create(
            prompt=other, member=labeller, order=[], expires_at=later, slot=1
        ).pk,
        "comment_pk": Comment.objects.create(prompt=other, member=manager, text="Mine.").pk,
        "note": MemberNote.objects.create(member=labeller, text="Theirs.").pk,
        "message": MemberMessage.objects.create(member=labeller, text="Theirs.").pk,
    }
    parts = {part: rows[part] for part in address.parts if part in rows}
    if "pk" in address.parts:
        parts["pk"] = manager.pk if "people" in address.route else one.pk
    before = stored()
    response = sign_in(manager).post(address.url(**parts), {"gold": "1"})
    assert response.status_code == 404
    assert stored() == before
