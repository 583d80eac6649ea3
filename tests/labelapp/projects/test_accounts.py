"""One's own account: its password, and names that look like those of others."""

import io
import re

import pytest
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client
from pytest_django.fixtures import Settings

from labelapp.models import Member, Project, User
from labelapp.projects.accounts import LOOKALIKES, is_taken, skeleton
from labelapp.web.sessions import USED_AT, browser_name
from tests.conftest import PASSWORD, sign_in

URL = "/account/"
NEW = "several words to remember"
FORM = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}


def test_a_person_changes_their_own_password_and_is_signed_out_elsewhere(labeller: Member) -> None:
    here, elsewhere = sign_in(labeller), sign_in(labeller)
    assert 'href="/account/"' in here.get("/projects/kitchen/").content.decode()
    assert "labeller" in here.get(URL).content.decode()
    done = here.post(URL, FORM, follow=True)
    assert "Your password is changed." in done.content.decode()
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 302
    assert not Client().login(username="labeller", password=PASSWORD)
    assert Client().login(username="labeller", password=NEW)


@pytest.mark.parametrize(
    ("posted", "message"),
    [
        ({"old_password": "wrong"}, "Your old password was entered incorrectly"),
        ({"new_password2": "another"}, "didn’t match"),
        ({"new_password1": "eleven char", "new_password2": "eleven char"}, "at least 12"),
        ({"new_password1": "labeller1234", "new_password2": "labeller1234"}, "too similar"),
        ({"new_password1": ""}, "required"),
    ],
)
def test_a_bad_change_is_refused_in_words(
    labeller: Member, posted: dict[str, str], message: str
) -> None:
    response = sign_in(labeller).post(URL, FORM | posted)
    assert response.status_code == 422
    assert message in response.content.decode()
    assert Client().login(username="labeller", password=PASSWORD)


def test_the_present_password_cannot_be_guessed_at_in_an_open_browser(labeller: Member) -> None:
    client = sign_in(labeller)
    codes = [client.post(URL, FORM | {"old_password": "wrong"}).status_code for _ in range(8)]
    assert codes == [422] * 5 + [429] * 3
    refused = client.post(URL, FORM)
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0


def test_the_least_length_is_said_and_is_the_settings(settings: Settings, labeller: Member) -> None:
    assert "At least 12 characters" in sign_in(labeller).get(URL).content.decode()
    name = "django.contrib.auth.password_validation.MinimumLengthValidator"
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": name, "OPTIONS": {"min_length": 30}}]
    assert "At least 30 characters" in sign_in(labeller).get(URL).content.decode()
    assert sign_in(labeller).post(URL, FORM).status_code == 422


def test_a_shorter_password_of_before_still_signs_in(db: None) -> None:
    User.objects.create_user("ann", password="short 8.")
    assert Client().login(username="ann", password="short 8.")


def test_an_account_is_for_those_who_are_signed_in(db: None) -> None:
    for response in (Client().get(URL), Client().post(URL, FORM)):
        assert response["Location"] == "/sign-in/?next=/account/"


def test_the_account_is_in_german_too(labeller: Member) -> None:
    html = sign_in(labeller).get(URL, HTTP_ACCEPT_LANGUAGE="de").content.decode()
    assert "Dein Konto" in html
    assert "Mindestens 12 Zeichen" in html


# Names that look alike


LOOK_LIKE_ADMIN = ["admın", "ADMIN", "аdmіn", "αdmιn", "ａｄｍｉｎ", "admiń", "admln", "adm1n"]


@pytest.mark.parametrize("name", [*LOOK_LIKE_ADMIN, "adrnin", "admİn"])
def test_a_name_that_looks_like_another_is_taken(db: None, name: str) -> None:
    User.objects.create_user("admin")
    assert is_taken(name)


@pytest.mark.parametrize("name", ["adminn", "admon", "ann", "badmin", "管理员", "админ"])
def test_other_names_are_free(db: None, name: str) -> None:
    User.objects.create_user("admin")
    assert not is_taken(name)


@pytest.mark.parametrize("latin", LOOKALIKES)
def test_every_lookalike_of_a_letter_is_that_letter(latin: str) -> None:
    for other in LOOKALIKES[latin]:
        assert skeleton(f"x{other}x") == skeleton(f"x{latin}x"), other
        assert skeleton(f"x{other.upper()}x") == skeleton(f"x{latin}x"), other.upper()


def test_an_account_does_not_look_like_itself(db: None) -> None:
    admin = User.objects.create_user("admin")
    assert is_taken("Admin")
    assert not is_taken("Admin", besides=admin)


def test_such_a_name_is_refused_wherever_accounts_are_made(project: Project, db: None) -> None:
    root = User.objects.create_superuser("admin", password=PASSWORD)
    client = sign_in(root)
    posted = {"username": "admın", "usable_password": "true", "password1": NEW, "password2": NEW}
    refused = client.post("/admin/labelapp/user/add/", posted)
    assert "one that looks like it" in refused.content.decode()
    with pytest.raises(CommandError, match="looks like that of another account"):
        call_command("add_member", "admın", project="kitchen", stdout=io.StringIO())
    posted["username"] = "somebody"
    assert client.post("/admin/labelapp/user/add/", posted).status_code == 302
    made = User.objects.get(username="somebody")
    fields = {"username": "аdmin", "date_joined_0": "2026-01-01", "date_joined_1": "10:00:00"}
    renamed = client.post(f"/admin/labelapp/user/{made.pk}/change/", fields)
    assert "one that looks like it" in renamed.content.decode()
    assert set(User.objects.values_list("username", flat=True)) == {"admin", "somebody"}


# Sessions

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"
)
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)


def signed_in_with(agent: str) -> Client:
    client = Client(HTTP_USER_AGENT=agent)
    client.post("/sign-in/", {"username": "labeller", "password": PASSWORD})
    return client


@pytest.mark.parametrize(
    ("agent", "name"),
    [(FIREFOX, "Firefox, Linux"), (EDGE, "Edge, Windows"), (PHONE, "Safari, iPhone"), ("x", "")],
)
def test_a_browser_is_named(agent: str, name: str) -> None:
    assert browser_name(agent) == name


def test_a_person_sees_their_sessions_and_ends_the_others(labeller: Member, root: User) -> None:
    here, elsewhere, other = signed_in_with(FIREFOX), signed_in_with(EDGE), sign_in(root)
    html = here.get(URL).content.decode()
    assert html.index("Firefox, Linux") < html.index("this browser") < html.index("Edge, Windows")
    done = here.post("/account/sessions/end/", follow=True).content.decode()
    assert "You are signed out in 1 other browser." in done
    assert "Edge" not in done
    assert here.get(URL).status_code == 200
    assert elsewhere.get(URL).status_code == 302
    assert other.get(URL).status_code == 200
    assert here.get("/account/sessions/end/").status_code == 405


def test_sessions_that_are_over_are_not_listed(labeller: Member, settings: Settings) -> None:
    settings.SESSION_IDLE_SECONDS = 3600
    here, elsewhere = signed_in_with(FIREFOX), signed_in_with(EDGE)
    session = elsewhere.session
    session[USED_AT] -= 3700
    session.save()
    assert "Edge" not in here.get(URL).content.decode()


# Forgotten passwords


def link_for(person: Member, manager: Member | User) -> HttpResponse:
    url = f"/projects/kitchen/people/{person.pk}/new-password/"
    return sign_in(manager).post(url, follow=True)


def path_in(response: HttpResponse) -> str:
    found = re.search(r"http://testserver(/new-password/[^\"]+)", response.content.decode())
    assert found, response.content.decode()
    return found[1]


def form_of(client: Client, path: str) -> str:
    """The page of a link, behind the redirect that takes the token out of the address."""
    return client.get(path, follow=True).content.decode()


def set_password(path: str) -> HttpResponse:
    client = Client()
    asked = client.get(path, follow=True)
    entered = {"new_password1": NEW, "new_password2": NEW}
    return client.post(asked.redirect_chain[-1][0], entered, follow=True)


def test_sign_in_says_what_to_do_without_the_password(db: None, labeller: Member) -> None:
    assert "Forgotten your password?" in Client().get("/sign-in/").content.decode()


def test_a_manager_makes_a_link_to_set_a_new_password(labeller: Member, manager: Member) -> None:
    earlier = sign_in(labeller)
    for _ in range(6):  # attempts with what was forgotten
        Client().post("/sign-in/", {"username": "labeller", "password": "wrong"})
    path = path_in(link_for(labeller, manager))
    assert "For the account <bdi>labeller</bdi>" in form_of(Client(), path)
    assert "Your new password is set." in set_password(path).content.decode()
    assert Client().login(username="labeller", password=NEW)
    assert earlier.get("/").status_code == 302
    assert "This link no longer works" in form_of(Client(), path)  # it works once


def test_a_link_is_over_once_it_is_old_or_the_person_signs_in(
    labeller: Member, manager: Member, settings: Settings
) -> None:
    path = path_in(link_for(labeller, manager))
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert "This link no longer works" in form_of(Client(), path)
    settings.PASSWORD_RESET_TIMEOUT = 3600
    assert "New password" in form_of(Client(), path)
    Client().login(username="labeller", password=PASSWORD)
    assert "This link no longer works" in form_of(Client(), path)


def test_a_link_opens_no_more_than_what_its_maker_manages(
    labeller: Member, manager: Member, reviewer: Member, root: User, project: Project
) -> None:
    attic = Project.objects.create(name="Attic", slug="attic")
    assert labeller.user is not None
    path = path_in(link_for(labeller, manager))
    elsewhere = Member.objects.create(project=attic, user=labeller.user, name="labeller")
    assert "This link no longer works" in form_of(Client(), path)  # of a role that came later
    for is_active in (True, False):  # whoever was removed can be brought back
        Member.objects.filter(pk=elsewhere.pk).update(is_active=is_active)
        assert "in a project that you don’t manage" in link_for(labeller, manager).content.decode()
    Member.objects.create(project=attic, user=manager.user, name="manager", role="reviewer")
    assert "in a project that you don’t manage" in link_for(labeller, manager).content.decode()
    Member.objects.filter(project=attic, name="manager").update(role="manager")
    assert path_in(link_for(labeller, manager))
    assert path_in(link_for(labeller, root))
    assert link_for(labeller, reviewer).status_code == 403


def test_no_link_is_made_for_administrators_or_oneself(
    manager: Member, root: User, project: Project, labeller: Member
) -> None:
    member = Member.objects.create(project=project, user=root, name="root")
    assert "root is an administrator" in link_for(member, manager).content.decode()
    assert "page of your account" in link_for(manager, manager).content.decode()
    path = path_in(link_for(labeller, manager))
    User.objects.filter(pk=labeller.user_id).update(is_staff=True)
    assert "is an administrator" in link_for(labeller, manager).content.decode()
    assert "This link no longer works" in form_of(Client(), path)
    User.objects.filter(pk=labeller.user_id).update(is_staff=False, is_active=False)
    assert "cannot sign in" in link_for(labeller, manager).content.decode()
    assert "This link no longer works" in form_of(Client(), path)
