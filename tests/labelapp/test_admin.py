"""The admin site: what is changed there follows the same rules as in the pages."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client

from labelapp.models import Member, Project, Role, User
from labelapp.projects import invitations
from tests.conftest import AddPrompt, join, sign_in


def form(member: Member, **changed: object) -> dict[str, object]:
    """Return the values that the admin's form of a member posts."""
    fields = {"project": member.project_id, "user": member.user_id, "name": member.name}
    return fields | {"role": member.role, "is_active": "on"} | changed


@pytest.mark.parametrize("changed", [{"role": "labeller"}, {"is_active": ""}])
def test_a_manager_who_is_demoted_or_removed_there_loses_their_links(
    project: Project, manager: Member, root: User, changed: dict[str, object]
) -> None:
    maker = join(project, "maker", Role.MANAGER)
    assert maker.user is not None
    link = invitations.create(
        project=project, role="manager", lasts=timedelta(days=1), single=False, user=maker.user
    )
    url = f"/admin/labelapp/member/{maker.pk}/change/"
    assert sign_in(root).post(url, form(maker, name="renamed", **changed)).status_code == 302
    link.refresh_from_db()
    assert link.revoked_at is not None
    maker.refresh_from_db()
    assert maker.name == "renamed"
    assert (maker.removed_at is None) == maker.is_active


def test_a_project_keeps_its_last_manager_there_too(manager: Member, root: User) -> None:
    url = f"/admin/labelapp/member/{manager.pk}/change/"
    page = sign_in(root).post(url, form(manager, role="labeller"), follow=True).content.decode()
    assert "is the only manager of this project" in page
    manager.refresh_from_db()
    assert manager.role == Role.MANAGER


def opened(client: Client, url: str) -> dict[str, str]:
    """Return the values that a browser posts of an admin's form that was not touched."""
    html = client.get(url).content.decode()
    form = html[html.index('id="content-main"') :]
    posted = {}
    for tag in re.findall(r"<input[^>]*>", form):
        fields = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        box = fields.get("type") in ("checkbox", "radio")
        if "name" in fields and fields.get("type") != "submit" and (not box or " checked" in tag):
            posted[fields["name"]] = unescape(fields.get("value", "on" if box else ""))
    area = r'<textarea[^>]*name="(\w+)"[^>]*>\n?(.*?)</textarea>'
    for name, text in re.findall(area, form, re.DOTALL):
        posted[name] = unescape(text)
    for name, options in re.findall(r'<select name="(\w+)".*?>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        if chosen:
            posted[name] = chosen[1]
    posted.pop("csrfmiddlewaretoken")
    return posted


@pytest.mark.parametrize("kind", ["project", "member", "user"])
def test_a_form_of_the_admin_site_does_not_overwrite_in_silence(
    project: Project, labeller: Member, root: User, kind: str
) -> None:
    row = {"project": project, "member": labeller, "user": labeller.user}[kind]
    assert row is not None
    field = "first_name" if kind == "user" else "name"
    client, url = sign_in(root), f"/admin/labelapp/{kind}/{row.pk}/change/"
    mine, theirs = (opened(client, url) | {field: name} for name in ("Mine", "Theirs"))
    assert client.post(url, theirs).status_code == 302
    refused = client.post(url, mine)
    assert refused.status_code == 200
    html = unescape(refused.content.decode())
    assert "saved now “Theirs”, yours “Mine”." in html
    row.refresh_from_db()
    assert getattr(row, field) == "Theirs"
    found = re.search(r'name="version" value="(\w+)"', html)
    assert found
    assert client.post(url, mine | {"version": found[1]}).status_code == 302
    row.refresh_from_db()
    assert getattr(row, field) == "Mine"
    assert client.post(url, opened(client, url)).status_code == 302  # nothing is stale here


def test_a_sign_in_makes_no_form_of_an_account_stale(labeller: Member, root: User) -> None:
    client, url = sign_in(root), f"/admin/labelapp/user/{labeller.user_id}/change/"
    form_before = opened(client, url)
    sign_in(labeller)
    assert client.post(url, form_before).status_code == 302


def test_deleting_there_leads_to_the_pages_that_can(
    project: Project, labeller: Member, outsider: User, root: User, add_prompt: AddPrompt
) -> None:
    add_prompt()
    client = sign_in(root)
    target = client.get(f"/admin/labelapp/project/{project.pk}/delete/")["Location"]
    assert target == "/projects/kitchen/delete/"
    target = client.post(f"/admin/labelapp/user/{labeller.user_id}/delete/")["Location"]
    assert target == f"/account/{labeller.user_id}/anonymise/"
    for kind in ("project", "user"):
        assert "delete_selected" not in client.get(f"/admin/labelapp/{kind}/").content.decode()
    assert client.get("/admin/labelapp/project/987654321/delete/").status_code == 404
    # Somebody who never was in a project has nothing that must stay.
    client.post(f"/admin/labelapp/user/{outsider.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=outsider.pk).exists()


def test_the_admin_site_looks_like_podium(root: User) -> None:
    client = sign_in(root)
    for path in ("/admin/", "/admin/labelapp/user/", f"/admin/labelapp/user/{root.pk}/change/"):
        html = client.get(path).content.decode()
        assert "css/admin.css" in html
        assert "favicon.svg" in html
        assert 'href="/account/"' in html
        for stock in ("Labelapp", "Django administration", "admin/css/dark_mode.css"):
            assert stock not in html
    assert 'href="/admin/"' in client.get("/").content.decode()


def test_only_administrators_find_the_admin_site_in_their_menu(manager: Member) -> None:
    assert 'href="/admin/"' not in sign_in(manager).get("/").content.decode()
