"""The bell, the list and the settings; nobody sees what they may not see."""

from typing import Any

import pytest
from django.test import Client

from labelapp.models import (
    Event,
    Kind,
    Mail,
    Member,
    Notification,
    NotificationChoice,
    Project,
    Role,
    User,
)
from labelapp.notifications.telling import notify
from tests.conftest import sign_in

LIST = "/notifications/"
BELL = "/notifications/bell/"
READ = "/notifications/read/"
SETTINGS = "/notifications/settings/"


def tell(member: Member, number: int = 1, event: Event = Event.RUN_DONE) -> Notification:
    assert member.user_id
    notify(
        project=member.project_id,
        event=event,
        key=f"{event}-{number}",
        path=f"/projects/kitchen/runs/{number}/",
        to=[member.user_id],
        about={"name": "", "number": number},
    )
    return Notification.objects.get(user=member.user, key=f"{event}-{number}")


def text(client: Client, url: str) -> str:
    return client.get(url).content.decode()


def test_the_list_shows_what_was_told_and_the_bell_counts_it(reviewer: Member) -> None:
    client = sign_in(reviewer)
    assert "Nothing yet." in text(client, LIST)
    assert text(client, BELL).strip() == ""
    for number in (1, 2):
        tell(reviewer, number)
    page = text(client, LIST)
    assert page.index("Run 2 has finished.") < page.index("Run 1 has finished.")
    assert "2 unread" in text(client, BELL)


def test_every_page_of_somebody_signed_in_has_the_bell(reviewer: Member, client: Client) -> None:
    assert 'hx-get="/notifications/bell/"' in text(sign_in(reviewer), "/")
    assert "/notifications/" not in text(client, "/sign-in/")


def test_following_a_notification_reads_it(reviewer: Member) -> None:
    one = tell(reviewer)
    client = sign_in(reviewer)
    answer = client.get(f"{LIST}{one.pk}/")
    assert (answer.status_code, answer["Location"]) == (302, "/projects/kitchen/runs/1/")
    one.refresh_from_db()
    assert one.read_at is not None
    assert text(client, BELL).strip() == ""


def test_one_or_all_are_marked_as_read(reviewer: Member) -> None:
    first, _, _ = (tell(reviewer, number) for number in (1, 2, 3))
    client = sign_in(reviewer)
    client.post(READ, {"notification": first.pk})
    assert "2 unread" in text(client, BELL)
    assert client.post(READ, {"notification": "no number"}).status_code == 302
    assert "2 unread" in text(client, BELL)
    client.post(READ)
    assert text(client, BELL).strip() == ""
    assert "Mark all as read" not in text(client, LIST)


def test_nobody_reads_marks_or_follows_what_another_was_told(
    reviewer: Member, manager: Member, outsider: User, client: Client
) -> None:
    one = tell(reviewer)
    for person in (manager, outsider):
        own = sign_in(person)
        assert "Run 1" not in text(own, LIST)
        assert own.get(f"{LIST}{one.pk}/").status_code == 404
        own.post(READ, {"notification": one.pk})
    one.refresh_from_db()
    assert one.read_at is None
    for url in (LIST, BELL, SETTINGS, f"{LIST}{one.pk}/"):
        assert client.get(url)["Location"].startswith("/sign-in/")


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": Role.LABELLER}, {"user": None}])
def test_who_has_left_or_has_a_lower_role_sees_it_no_more(
    reviewer: Member, change: dict[str, Any]
) -> None:
    one = tell(reviewer)
    client = sign_in(reviewer)
    Member.objects.filter(pk=reviewer.pk).update(**change)
    assert "Run 1" not in text(client, LIST)
    assert text(client, BELL).strip() == ""
    assert client.get(f"{LIST}{one.pk}/").status_code == 404


def test_a_deleted_project_tells_nothing(reviewer: Member) -> None:
    tell(reviewer)
    Project.objects.update(deleted_at="2026-01-01T00:00Z")
    assert "Run 1" not in text(sign_in(reviewer), LIST)


def test_names_are_not_markup(reviewer: Member) -> None:
    one = tell(reviewer, event=Event.COMMENT_MADE)
    Notification.objects.filter(pk=one.pk).update(about={"name": "<b>ann</b>%(x)s"})
    assert "&lt;b&gt;ann&lt;/b&gt;%(x)s commented" in text(sign_in(reviewer), LIST)


def test_a_row_without_its_names_is_still_listed(manager: Member) -> None:
    for event in Event:
        tell(manager, event=event)
    Notification.objects.update(about={})
    assert sign_in(manager).get(LIST).status_code == 200


def test_the_list_makes_as_many_queries_for_many_as_for_one(
    manager: Member, django_assert_num_queries: Any
) -> None:
    client = sign_in(manager)
    tell(manager)
    for number in range(2, 12):
        with django_assert_num_queries(5):  # session, user, number, rows, unread
            client.get(LIST)
        tell(manager, number)
    with django_assert_num_queries(3):
        client.get(BELL)


def test_a_person_chooses_what_they_are_told(labeller: Member, settings: Any) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    client = sign_in(labeller)
    page = text(client, SETTINGS)
    assert "A manager sends you a message" in page
    assert "assigns prompts to you" in page
    assert "training run" not in page  # labellers are told of none
    entered = {"email": "", "mail-message": "at_once", "mail-task": "never"}
    refused = client.post(SETTINGS, entered)
    assert refused.status_code == 422
    assert "Enter the address to which the mails are sent." in refused.content.decode()
    entered["email"] = "nina@example.org"
    assert client.post(SETTINGS, entered).status_code == 302
    choice = NotificationChoice.objects.get(kind=Kind.MESSAGE)
    assert (choice.kind, choice.in_page, choice.mail) == (Kind.MESSAGE, False, Mail.AT_ONCE)
    assert User.objects.get(pk=labeller.user_id).email == "nina@example.org"
    assert client.post(SETTINGS, entered | {"mail-message": "hourly"}).status_code == 422


def test_without_a_mail_server_no_mail_is_offered(manager: Member) -> None:
    client = sign_in(manager)
    assert "cannot send mail" in text(client, SETTINGS)
    assert client.post(SETTINGS, {"page-run": "on"}).status_code == 302
    chosen = dict(NotificationChoice.objects.values_list("kind", "in_page"))
    assert chosen.pop(Kind.RUN) is True
    assert set(chosen.values()) == {False}


def test_who_is_in_no_project_has_nothing_to_choose(outsider: User) -> None:
    assert "not a member of any project" in text(sign_in(outsider), SETTINGS)
