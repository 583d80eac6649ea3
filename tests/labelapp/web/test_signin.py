"""Signing in: passwords cannot be guessed at, and nobody is locked out by those who try."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django.fixtures import Settings

from labelapp.models import Member, SignInFailures, User
from labelapp.web import signin
from tests.conftest import PASSWORD, sign_in
from tests.labelapp.parallel import in_parallel

HASHED: list[str] = []


class CountingHasher(MD5PasswordHasher):
    """Notes each password that is hashed."""

    def encode(self, password: str, salt: str) -> str:
        HASHED.append(password)
        return super().encode(password, salt)


@pytest.fixture
def hashed(settings: Settings) -> list[str]:
    """The passwords that were hashed."""
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    HASHED.clear()
    return HASHED


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock, so that on a busy machine no delay passes by itself; `wait` lets it pass."""
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)


WRONG = "wrong"


def attempt(name: str, password: str = WRONG, **meta: str) -> Any:
    return Client().post("/sign-in/", {"username": name, "password": password}, **meta)


def wait(seconds: float) -> None:
    """Let time pass, as far as the failures are concerned."""
    for failures in SignInFailures.objects.all():
        failures.last_at -= timedelta(seconds=seconds)
        failures.save()


@pytest.mark.parametrize("name", ["labeller", "nobody-has-this-name"])
def test_guesses_are_refused_before_a_password_is_hashed(
    labeller: Member, hashed: list[str], name: str
) -> None:
    answers = [attempt(name) for _ in range(40)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 35
    assert len(hashed) == 5
    refused = answers[-1]
    assert int(refused["Retry-After"]) in (1, 2)
    assert "Too many attempts have failed. Try again in" in refused.content.decode()
    right = attempt(name, PASSWORD)
    assert right.status_code == 429
    assert len(hashed) == 5


def test_the_owner_of_a_name_that_is_guessed_at_waits_for_a_minute_at_most(
    labeller: Member,
) -> None:
    for _ in range(30):
        attempt("labeller")
        wait(61)
    for address in range(200):  # from many places at once
        attempt("labeller", REMOTE_ADDR=f"10.0.0.{address}")
    refused = attempt("labeller", PASSWORD, REMOTE_ADDR="10.9.9.9")
    assert 1 <= int(refused["Retry-After"]) <= 60
    wait(int(refused["Retry-After"]))
    assert attempt("labeller", PASSWORD, REMOTE_ADDR="10.9.9.9").status_code == 302


def test_the_delay_grows_and_a_success_clears_it(labeller: Member) -> None:
    waits = []
    for _ in range(12):
        answer = attempt("labeller")
        if answer.status_code == 429:
            waits.append(int(answer["Retry-After"]))
            wait(waits[-1])
            attempt("labeller")
    assert waits == sorted(waits)
    assert waits[-1] > 10 * waits[0]
    wait(60)
    assert attempt("labeller", PASSWORD).status_code == 302
    assert [attempt("labeller").status_code for _ in range(5)] == [200] * 5


def test_failures_are_forgotten_after_an_hour_and_their_rows_deleted(labeller: Member) -> None:
    for _ in range(6):
        attempt("labeller")
    wait(3600)
    assert [attempt("labeller").status_code for _ in range(6)] == [200] * 5 + [429]
    assert signin.forget_old_failures() == 0
    wait(3601)
    assert signin.forget_old_failures() == 2
    assert not SignInFailures.objects.exists()


def test_a_clock_that_was_set_back_locks_nobody_out(labeller: Member) -> None:
    for _ in range(6):
        attempt("labeller")
    wait(-24 * 3600)
    assert attempt("labeller", PASSWORD).status_code == 302


def test_one_address_cannot_try_many_names(labeller: Member, hashed: list[str]) -> None:
    answers = [attempt(f"name-{i}", REMOTE_ADDR="192.0.2.7").status_code for i in range(60)]
    assert answers == [200] * 20 + [429] * 40
    assert len(hashed) == 20
    assert attempt("labeller", PASSWORD, REMOTE_ADDR="192.0.2.7").status_code == 429
    assert attempt("labeller", PASSWORD, REMOTE_ADDR="192.0.2.8").status_code == 302


def test_a_success_in_between_does_not_give_an_address_more_guesses(
    labeller: Member, outsider: User
) -> None:
    codes = []
    for i in range(40):
        codes.append(attempt(f"name-{i}").status_code)
        codes.append(attempt("outsider", PASSWORD).status_code)
    assert codes.count(200) == 20


def test_names_in_other_letters_count_together(labeller: Member) -> None:
    names = ["labeller", "LABELLER", "Labeller", "ｌａｂｅｌｌｅｒ", "laBeller", "labelleR"]
    assert [attempt(name).status_code for name in names] == [200] * 5 + [429]


@pytest.mark.django_db(transaction=True)
def test_guesses_made_at_once_are_counted_one_by_one(labeller: Member, hashed: list[str]) -> None:
    in_parallel(*[lambda: attempt("labeller")] * 12)
    assert len(hashed) == 5


def test_every_call_of_authenticate_is_counted(labeller: Member, hashed: list[str]) -> None:
    for _ in range(5):
        assert authenticate(None, username="labeller", password="wrong") is None
    with pytest.raises(signin.TooManyAttemptsError):
        authenticate(None, username="labeller", password=PASSWORD)
    assert len(hashed) == 5


def test_neither_names_nor_addresses_are_stored(labeller: Member) -> None:
    attempt("labeller", "a secret typed by mistake")
    stored = " ".join(SignInFailures.objects.values_list("key", flat=True))
    assert "labeller" not in stored
    assert "127.0.0.1" not in stored


@pytest.mark.parametrize(
    ("proxies", "https", "forwarded", "expected"),
    [
        (0, False, "203.0.113.9", "192.0.2.1"),  # anybody can write the header
        (1, False, "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (2, True, "6.6.6.6, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, True, "203.0.113.9", "192.0.2.1"),  # fewer proxies than the settings say
        (0, True, "203.0.113.9", None),  # a proxy that the settings don't count
        (1, True, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (1, True, "::ffff:203.0.113.9", "203.0.113.9"),
    ],
)
def test_the_address_is_the_one_that_the_proxies_have_seen(
    settings: Settings, proxies: int, https: bool, forwarded: str, expected: str | None
) -> None:
    settings.PROXIES, settings.HTTPS = proxies, https
    request = RequestFactory().get(
        "/", REMOTE_ADDR="192.0.2.1", headers={"x-forwarded-for": forwarded}
    )
    assert signin.client_address(request) == expected


def test_waiting_is_said_in_german_too(labeller: Member) -> None:
    german = {"HTTP_ACCEPT_LANGUAGE": "de"}
    for _ in range(5):
        attempt("labeller", **german)
    html = attempt("labeller", **german).content.decode()
    assert "Zu viele Versuche sind fehlgeschlagen." in html


# Every way in


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/login/?next=/admin/labelapp/user/"])
def test_the_admin_site_has_no_sign_in_of_its_own(
    labeller: Member, hashed: list[str], path: str
) -> None:
    for response in (
        Client().get(path),
        Client().post(path, {"username": "labeller", "password": PASSWORD}),
    ):
        target = path.partition("next=")[2] or "/admin/"
        assert response["Location"] == f"/sign-in/?next={target}"
    assert not hashed


def test_the_admin_site_opens_after_signing_in_and_only_to_administrators(
    labeller: Member, outsider: User
) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    data = {"username": "root", "password": PASSWORD}
    client = Client()
    first = client.get("/admin/labelapp/user/")
    assert first["Location"] == "/sign-in/?next=/admin/labelapp/user/"
    opened = client.post(first["Location"], data, follow=True)
    assert opened.redirect_chain == [("/admin/labelapp/user/", 302)]
    assert opened.status_code == 200
    refused = sign_in(outsider).get("/admin/", follow=True)
    assert refused.status_code == 403
    assert "Only an administrator can open this page." in refused.content.decode()
    leaving = sign_in(root).get("/admin/login/?next=https://evil.example/")
    assert leaving["Location"] == "/admin/"
    assert sign_in(root).get("/admin/password_change/")["Location"] == "/account/"
