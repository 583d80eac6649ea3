"""Duplicates of projects: settings, if wanted members and prompts, and never rankings."""

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from labelapp.labelling.assignments import current_assignment
from labelapp.models import Member, Project, Prompt, Ranking, Response, Role, User
from labelapp.projects import duplication, tasks
from labelapp.projects.members import remove
from tests.conftest import AddPrompt, AddRanking, join, sign_in

URL = "/projects/kitchen/duplicate/"


def test_a_copy_has_the_settings_and_its_maker_as_manager(
    project: Project, labeller: Member, root: User
) -> None:
    Project.objects.update(rankings_per_prompt=3, flags=["Rude"], paused=True, daily_target=20)
    client = sign_in(root)
    assert 'value="Copy of Kitchen"' in client.get(URL).content.decode()
    response = client.post(URL, {"name": "Copy of Kitchen"})
    assert response["Location"] == "/projects/copy-of-kitchen/"
    copy = Project.objects.get(slug="copy-of-kitchen")
    assert (copy.rankings_per_prompt, copy.flags, copy.daily_target) == (3, ["Rude"], 20)
    assert (copy.guidelines, copy.paused) == ("Prefer *short*.", False)
    assert [(each.user, each.role) for each in copy.members.all()] == [(root, Role.MANAGER)]
    assert not copy.prompts.exists()


def test_members_are_copied_with_their_roles_if_wanted(
    project: Project, manager: Member, labeller: Member, reviewer: Member, ann: Member
) -> None:
    removed = join(project, "removed", Role.LABELLER)
    remove(member=removed)
    assert reviewer.user is not None
    copy = duplication.duplicate(project, name="K2", user=reviewer.user, with_members=True)
    assert dict(copy.members.values_list("name", "role")) == {
        "manager": Role.MANAGER,
        "labeller": Role.LABELLER,
        "reviewer": Role.MANAGER,  # who has made it
    }


def test_prompts_are_copied_in_the_background_and_wait_to_be_ranked(
    project: Project,
    labeller: Member,
    root: User,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(duplication, "PROMPTS_AT_ONCE", 2)
    Project.objects.update(rankings_per_prompt=2)
    for number in range(5):
        add_prompt(f"Question {number}", wanted=1, external_id=f"q{number}", priority=number)
    pair = add_prompt("Two responses", responses=("a", "b"), wanted=0)
    ranked = Prompt.objects.get(external_id="q4")
    add_ranking(ranked, labeller, [1, 2, 3, 4])
    Prompt.objects.filter(pk=ranked.pk).update(rankings_needed=0)
    sign_in(root).post(URL, {"name": "Attic", "with_prompts": "on", "with_members": "on"})
    copy = Project.objects.get(slug="attic")
    for _ in range(2):  # a second time copies nothing
        tasks.copy_prompts.func(project.pk, copy.pk)
    copied = {prompt.external_id: prompt for prompt in copy.prompts.order_by("pk")}
    assert list(copied) == ["q0", "q1", "q2", "q3", "q4", None]
    assert copied["q4"].priority == 4
    assert {prompt.rankings_needed for prompt in copied.values()} == {2, 0}
    assert copied[None].rankings_wanted == 0
    texts = Response.objects.filter(prompt=copied["q4"]).order_by("pk")
    assert list(texts.values_list("text", "source", "content_hash")) == list(
        ranked.responses.order_by("pk").values_list("text", "source", "content_hash")
    )
    assert Ranking.objects.get().prompt == ranked
    assert pair.responses.count() == 2
    member = copy.members.get(user=labeller.user)
    assignment = current_assignment(member)
    assert assignment is not None
    assert assignment.prompt == copied["q4"]


def test_prompts_are_copied_into_a_project_that_was_archived_meanwhile(
    project: Project, root: User, add_prompt: AddPrompt
) -> None:
    add_prompt()
    copy = duplication.duplicate(project, name="Attic", user=root, with_members=False)
    Project.objects.filter(pk=copy.pk).update(archived_at="2026-01-01T00:00Z")
    assert tasks.copy_prompts.func(project.pk, copy.pk) == "1 prompts"
    assert copy.prompts.count() == 1


def test_two_clicks_make_one_copy(project: Project, root: User) -> None:
    Project.objects.update(created_at="2026-01-01T00:00Z")
    asked: list[int] = []
    for slug in ("", "", "attic", "attic"):
        duplication.duplicate(
            project,
            name="Attic",
            slug=slug,
            user=root,
            with_members=False,
            enqueue_prompts=lambda _, copy: asked.append(copy),
        )
    assert Project.objects.filter(name="Attic").count() == 1
    assert len(asked) == 1


def test_nothing_is_copied_into_a_project_that_was_deleted_meanwhile(
    project: Project, root: User, add_prompt: AddPrompt
) -> None:
    add_prompt()
    copy = duplication.duplicate(project, name="Attic", user=root, with_members=False)
    Project.objects.filter(pk=copy.pk).update(deleted_at="2026-01-01T00:00Z")
    assert tasks.copy_prompts.func(project.pk, copy.pk) == "gone"
    assert duplication.copy_prompts(project, copy) == 0
    assert copy.prompts.count() == 0


@pytest.mark.parametrize(
    ("posted", "message"),
    [
        ({"name": ""}, "required"),
        ({"name": "K", "slug": "kitchen"}, "Another project has this slug"),
        ({"name": "K", "slug": "new"}, "is taken"),
        ({"name": "K", "slug": "two words"}, "slug"),
    ],
)
def test_a_bad_copy_is_refused_in_words(
    project: Project, root: User, posted: dict[str, str], message: str
) -> None:
    response = sign_in(root).post(URL, posted)
    assert response.status_code == 422
    assert message in response.content.decode()
    assert Project.objects.count() == 1


def test_who_may_create_projects_duplicates_those_they_manage(
    project: Project, manager: Member, labeller: Member, outsider: User, settings: Settings
) -> None:
    assert Client().get(URL).status_code == 302
    assert sign_in(manager).post(URL, {"name": "K"}).status_code == 403
    settings.PROJECT_CREATORS = "everyone"
    assert sign_in(labeller).post(URL, {"name": "K"}).status_code == 403
    assert sign_in(outsider).post(URL, {"name": "K"}).status_code == 404
    assert sign_in(manager).post(URL, {"name": "K"}).status_code == 302
