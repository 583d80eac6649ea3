"""One's own account: its password, and names that look like those of others."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django.fixtures import Settings

from labelapp.models import Member, Project, User
from labelapp.projects.accounts import LOOKALIKES, is_taken, skeleton
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
