"""The header: what a member finds in the menu, where they are, and their other projects."""

import re

import pytest
from django.http import HttpResponse

from labelapp.models import Member, Project, User
from labelapp.projects import members
from tests.conftest import AddPrompt, sign_in

LABEL = ["labelling", "my-work"]
REVIEW = ["prompts", "progress", "agreement", "disagreements", "runs", "models", "reviewing"]
MANAGE = ["uploads", "export", "people", "settings"]


def menu(person: Member | User, path: str = "", slug: str = "kitchen") -> str:
    """The menu of a page, as HTML."""
    page = sign_in(person).get(f"/projects/{slug}/{path}").content.decode()
    return page[page.index('<nav class="menu"') : page.index("</nav>")]


def pages(html: str) -> list[str]:
    return re.findall(r'href="/projects/kitchen/([\w-]+)/"', html)


def groups(html: str) -> list[str]:
    return [name.strip() for name in re.findall(r"<summary[^>]*>([^<]*)</summary>", html)]


def test_everybody_finds_in_the_menu_what_they_may_open(
    labeller: Member, reviewer: Member, manager: Member, root: User
) -> None:
    for person, found in (
        (labeller, LABEL),
        (reviewer, LABEL + REVIEW),
        (manager, LABEL + REVIEW + MANAGE),
        (root, REVIEW + MANAGE),  # in no project, so nothing to rank
    ):
        assert sorted(pages(menu(person))) == sorted(found)
        client = sign_in(person)
        for path in REVIEW + MANAGE:
            status = client.get(f"/projects/kitchen/{path}/").status_code
            assert status == (200 if path in found else 403), (person, path)


def test_the_pages_are_in_groups_where_there_are_many(labeller: Member, manager: Member) -> None:
    assert groups(menu(manager)) == ["Label", "Data", "Quality", "Model", "Project"]
    assert groups(menu(labeller)) == []


@pytest.mark.parametrize(
    ("path", "group", "link", "current"),
    [
        ("uploads/", "Data", "Upload", "page"),
        ("disagreements/", "Quality", "Disagreements", "page"),
        ("runs/new/", "Model", "Runs", "true"),
        ("invitations/", "Project", "People", "true"),
        ("settings/", "Project", "Settings", "page"),
    ],
)
def test_the_menu_marks_the_page_and_its_group(
    manager: Member, path: str, group: str, link: str, current: str
) -> None:
    html = menu(manager, path)
    assert re.findall(r'aria-current="(\w+)">([^<]+)</a>', html) == [(current, link)]
    assert re.findall(r'<summary class="is-current">([^<]+)', html) == [group]


def test_the_overview_is_marked(labeller: Member) -> None:
    assert re.findall(r'aria-current="page">([^<]+)</a>', menu(labeller)) == ["Overview"]


def test_the_switcher_offers_ones_own_projects(
    project: Project, manager: Member, outsider: User, root: User
) -> None:
    attic = Project.objects.create(name="Attic", slug="attic")
    url = f"/switch/?here={project.pk}"
    assert offered(sign_in(manager).get(url)) == ["Kitchen"]
    assert offered(sign_in(outsider).get(url)) == []
    assert offered(sign_in(root).get(url)) == ["Attic", "Kitchen"]
    Member.objects.create(project=attic, user=outsider, name="outsider")
    assert offered(sign_in(outsider).get("/switch/?here=x")) == ["Attic"]
    assert 'aria-current="true"><bdi>Kitchen' in sign_in(root).get(url).content.decode()


def offered(response: HttpResponse) -> list[str]:
    return re.findall(r"<bdi>([^<]*)</bdi>", response.content.decode())


def test_a_refusal_inside_a_project_keeps_its_menu(labeller: Member, manager: Member) -> None:
    for person, path, status in (
        (labeller, "settings/", 403),
        (manager, "runs/999/", 404),
        (manager, "nowhere/at/all/", 404),
    ):
        response = sign_in(person).get(f"/projects/kitchen/{path}")
        html = response.content.decode()
        assert response.status_code == status
        assert 'href="/projects/kitchen/">Back to Kitchen</a>' in html
        assert 'href="/projects/kitchen/labelling/"' in html
    assert "/projects/kitchen/runs/" not in menu(labeller, "settings/")


def test_strangers_are_told_nothing_of_a_project(
    project: Project, outsider: User, labeller: Member
) -> None:
    members.remove(member=labeller)
    for stranger in (outsider, labeller):
        client = sign_in(stranger)
        for path in ("", "settings/", "nowhere/"):
            pages = [client.get(f"/projects/{slug}/{path}") for slug in ("kitchen", "attic")]
            texts = [without_tokens(page) for page in pages]
            assert [page.status_code for page in pages] == [404, 404]
            assert texts[0].replace("kitchen", "attic") == texts[1]
            assert "Kitchen" not in texts[0]


def without_tokens(response: HttpResponse) -> str:
    """A page without the tokens of its forms, which are new each time."""
    return re.sub(r"[A-Za-z0-9]{64}", "", response.content.decode())


TRAIL = re.compile(r'<nav class="trail small".*?</nav>', re.DOTALL)


def test_pages_below_a_page_of_the_menu_lead_back_to_it(
    manager: Member, add_prompt: AddPrompt
) -> None:
    """Once, whether the link is the base template's or the page's own."""
    prompt = add_prompt()
    client = sign_in(manager)
    above = {
        f"prompts/{prompt.pk}/": "prompts",
        "prompts/tags/": "prompts",
        "prompts/deleted/": "prompts",
        "runs/new/": "runs",
        "runs/grids/": "runs",
        "invitations/": "people",
        f"people/{manager.pk}/": "people",
        f"disagreements/{prompt.pk}/": "disagreements",
        "models/playground/": "models",
        "webhook/": "settings",
        "delete/": "settings",
    }
    for path, parent in above.items():
        response = client.get(f"/projects/kitchen/{path}")
        assert response.status_code == 200, path
        found = TRAIL.findall(response.content.decode())
        assert len(found) == 1, path
        [trail] = found
        assert f'href="/projects/kitchen/{parent}/' in trail, path


def test_the_pages_of_the_menu_have_no_trail(manager: Member) -> None:
    client = sign_in(manager)
    for path in ("", "prompts/", "runs/", "people/", "settings/", "models/", "uploads/"):
        html = client.get(f"/projects/kitchen/{path}").content.decode()
        assert not TRAIL.findall(html), path
