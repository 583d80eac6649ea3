"""The ranking page: what it shows, what it takes, and what it refuses."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Project, Ranking, User, hash_text
from tests.conftest import PASSWORD, AddPrompt, sign_in
from tests.labelapp.labelling.acting import ABCD, submit, task

URL = "/projects/kitchen/labelling/"


def post(client: Client, assignment: Assignment, ranks: dict[str, Any], **extra: Any) -> Any:
    data = {"assignment": assignment.token} | {f"rank-{k}": v for k, v in ranks.items()} | extra
    return client.post(URL, data, HTTP_HX_REQUEST="true")


def test_the_page_shows_every_response_and_nothing_that_tells_its_source(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    prompt = add_prompt(responses=())
    for pk in range(8_765_432, 8_765_436):  # ids that stand nowhere by chance
        text = f"text number {pk % 10}"
        prompt.responses.create(pk=pk, text=text, source="model-x", content_hash=hash_text(text))
    page = sign_in(labeller).get(URL).content.decode()
    for response in prompt.responses.all():
        assert response.text in page
        assert str(response.pk) not in page
        assert response.content_hash not in page
    assert "model-x" not in page


def test_no_page_of_a_labeller_tells_where_a_response_comes_from(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    """No model that wrote a response, no id, and no mark of a response that names its model."""
    for priority in (1, 0):
        prompt = add_prompt(
            f"Question of urgency {priority}?",
            responses=(),
            priority=priority,
            external_id=f"secret-prompt-{priority}",
        )
        for n in range(4):
            pk = 8_765_432 + 10 * priority + n
            prompt.responses.create(
                pk=pk,
                text=f"text number {n}",
                source=f"model-x-{n}",
                external_id=f"secret-response-{n}",
                content_hash=hash_text(f"text number {n}"),
                names_itself=n == 0,
            )
    client = sign_in(labeller)
    first = task(labeller)
    beside = f"{URL}next/?beside={first.token}"
    own = f"/projects/kitchen/my-work/{first.token}/"
    pages = [client.get(url).content.decode() for url in (URL, beside, "/projects/kitchen/")]
    pages.append(post(client, first, ABCD).content.decode())
    pages += [client.get(url).content.decode() for url in (own, "/projects/kitchen/my-work/")]
    undo = client.post(f"{URL}undo/", {"undo": first.token}, HTTP_HX_REQUEST="true")
    pages.append(undo.content.decode())
    assert sum("text number 0" in page for page in pages) == 5
    for page in pages:
        for secret in ("model-x", "secret-", "names_itself", "names-itself", "87654"):
            assert secret not in page, secret
        assert not any(r.content_hash in page for r in prompt.responses.all())


def test_hostile_text_is_shown_and_does_nothing(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt(
        "<script>alert(1)</script>",
        [
            "<img src=x onerror=alert(1)>",
            "[click](javascript:alert(1))",
            "![pixel](https://tracker.example/x.png)",
            "```html\n<b onclick=alert(1)>x</b>\n```",
        ],
    )
    page = sign_in(labeller).get(URL).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert "<img src=x" not in page
    assert 'href="javascript' not in page
    assert '<img src="https://tracker' not in page
    assert "<b onclick" not in page


def test_a_ranking_brings_the_next_prompt_in_one_answer(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt("First question?", priority=1)
    add_prompt("Second question?")
    client = sign_in(labeller)
    response = post(client, task(labeller), ABCD)
    assert response.status_code == 200
    assert "Second question?" in response.content.decode()
    assert "<html" not in response.content.decode()
    assert Ranking.objects.count() == 1


def test_without_javascript_a_ranking_redirects_to_the_next(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    data = {"assignment": task(labeller).token} | {f"rank-{k}": v for k, v in ABCD.items()}
    response = sign_in(labeller).post(URL, data)
    assert response.status_code == 302
    assert response["Location"] == URL
    assert Ranking.objects.count() == 1


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a response without a rank": ({"A": 1, "B": 2, "C": 3}, "D has no rank yet."),
    "nothing ranked": ({}, "A has no rank yet."),
    "a stranger": (ABCD | {"E": 1}, "names a response that is not part of this task"),
    "a rank past K": (ABCD | {"D": 5}, "The rank of D must be from 1 to 4."),
    "a rank of zero": (ABCD | {"D": 0}, "The rank of D must be from 1 to 4."),
    "a rank that is no number": (ABCD | {"D": "best"}, "The rank of D must be from 1 to 4."),
}


@pytest.mark.parametrize(("ranks", "message"), REFUSED.values(), ids=REFUSED)
def test_a_bad_post_is_refused_and_what_was_entered_stays(
    add_prompt: AddPrompt, labeller: Member, ranks: dict[str, Any], message: str
) -> None:
    add_prompt()
    client = sign_in(labeller)
    assignment = task(labeller)
    response = post(client, assignment, ranks, note="my note")
    assert response.status_code == 422
    page = response.content.decode()
    assert message in page
    assert "my note" in page
    assert not Ranking.objects.exists()
    if "A" in ranks:
        assignment.refresh_from_db()
        assert assignment.draft["ranks"]["A"] == 1
        again = client.get(URL).content.decode()
        for html in (page, again):
            chosen = [tag for tag in html.split("<input") if "checked" in tag.split(">")[0]]
            assert any('name="rank-A"' in tag and 'value="1"' in tag for tag in chosen)


def post_draft(client: Client, assignment: Assignment, data: dict[str, Any]) -> int:
    data = {"assignment": assignment.token} | data
    return client.post(f"{URL}draft/", data, HTTP_HX_REQUEST="true").status_code


def test_what_is_entered_is_kept_as_it_is_entered(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    client = sign_in(labeller)
    assignment = task(labeller)
    data = {"rank-A": "2", "rank-B": "9", "rank-Z": "1", "note": "hm\0m"}
    assert post_draft(client, assignment, data) == 204
    page = client.get(URL).content.decode()
    [chosen] = [tag for tag in page.split("<input") if "checked" in tag.split(">")[0]]
    assert 'name="rank-A"' in chosen
    assert 'value="2"' in chosen
    assert ">hmm</textarea>" in page


def test_a_draft_that_comes_after_the_submit_changes_nothing(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    assignment = task(labeller)
    submit(assignment=assignment, entered=RankingInput(ABCD))
    assert post_draft(sign_in(labeller), assignment, {"rank-A": "4"}) == 204
    assignment.refresh_from_db()
    assert assignment.draft == {}
    assert Ranking.objects.count() == 1


def test_a_draft_is_kept_for_its_labeller_alone(
    add_prompt: AddPrompt, labeller: Member, manager: Member, outsider: User
) -> None:
    add_prompt(wanted=2)
    assignment = task(labeller)
    assert post_draft(sign_in(manager), assignment, {"rank-A": "4"}) == 403
    assert post_draft(sign_in(outsider), assignment, {"rank-A": "4"}) == 404
    assert sign_in(labeller).get(f"{URL}draft/").status_code == 405
    assignment.refresh_from_db()
    assert assignment.draft == {}


def test_ties_are_refused_where_the_project_allows_none(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    project.ties_allowed = False
    project.save()
    add_prompt()
    response = post(sign_in(labeller), task(labeller), ABCD | {"B": 1})
    assert response.status_code == 422
    assert "A and B share rank 1." in response.content.decode()
    assert not Ranking.objects.exists()


def test_somebody_elses_task_is_refused(
    add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    add_prompt(wanted=2)
    response = post(sign_in(manager), task(labeller), ABCD)
    assert response.status_code == 403
    assert "assigned to somebody else" in response.content.decode()
    assert not Ranking.objects.exists()


@pytest.mark.parametrize("token", ["", "nonsense", str(uuid.UUID(int=7))])
def test_a_task_that_is_not_there_is_refused(
    add_prompt: AddPrompt, labeller: Member, token: str
) -> None:
    add_prompt()
    response = sign_in(labeller).post(URL, {"assignment": token}, HTTP_HX_REQUEST="true")
    assert response.status_code == 404
    assert "no longer here" in response.content.decode()


def test_a_task_of_another_project_is_refused(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    other = Project.objects.create(name="Attic", slug="attic")
    Member.objects.create(project=other, user=labeller.user, name="labeller")
    data = {"assignment": task(labeller).token} | {f"rank-{k}": v for k, v in ABCD.items()}
    assert sign_in(labeller).post("/projects/attic/labelling/", data).status_code == 404
    assert not Ranking.objects.exists()


def test_the_page_says_so_when_nothing_waits(labeller: Member) -> None:
    response = sign_in(labeller).get(URL)
    assert response.status_code == 200
    assert "<form" not in response.content.decode().split("<main")[1].split("</main")[0]


def test_only_members_rank(add_prompt: AddPrompt, outsider: User) -> None:
    add_prompt()
    assert sign_in(outsider).get(URL).status_code == 404
    assert Client().get(URL).status_code == 302
    assert not Assignment.objects.exists()


def test_a_superuser_is_told_to_join_first(project: Project) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    assert sign_in(root).get(URL).status_code == 403


def test_other_methods_are_refused(labeller: Member) -> None:
    assert sign_in(labeller).delete(URL).status_code == 405


def test_a_forged_form_is_refused(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    client = Client(enforce_csrf_checks=True)
    assert labeller.user is not None
    client.force_login(labeller.user)
    assert client.post(URL, {"assignment": task(labeller).token}).status_code == 403


def test_a_ranking_whose_next_task_is_there_already_brings_only_the_new_count(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt("First question?")
    add_prompt("Second question?")
    client, first = sign_in(labeller), task(labeller)
    second = assignments.next_assignment(labeller, first)
    assert second is not None
    page = post(client, first, ABCD, next=second.token).content.decode()
    assert "1 ranked" in page
    assert "Second question?" not in page
    second.refresh_from_db()
    assert second.shown_at is not None


@pytest.mark.parametrize("prompts", [1, 30])
def test_the_page_makes_the_same_queries_whatever_the_project_holds(
    add_prompt: AddPrompt, labeller: Member, prompts: int
) -> None:
    for i in range(prompts):
        add_prompt(f"{i}?", responses=[f"text {j}" for j in range(9)])
    task(labeller)
    client = sign_in(labeller)
    assert queries(lambda: client.get(URL)) == 6


@pytest.mark.parametrize("ranked", [1, 30])
@pytest.mark.parametrize(("ahead", "expected"), [(False, 12), (True, 10)])
def test_a_submit_makes_the_same_queries_however_much_is_done(
    add_prompt: AddPrompt, labeller: Member, ranked: int, ahead: bool, expected: int
) -> None:
    for i in range(ranked + 4):
        add_prompt(f"{i}?")
    client = sign_in(labeller)
    for _ in range(ranked):
        post(client, task(labeller), ABCD)
    assignment = task(labeller)
    extra: dict[str, Any] = {"key": uuid.uuid4()}
    if ahead:
        following = assignments.next_assignment(labeller, assignment)
        assert following is not None
        extra["next"] = following.token
    with CaptureQueriesContext(connection) as captured:
        assert post(client, assignment, ABCD, **extra).status_code == 200
    sent = statements(captured)
    assert len(sent) == expected, sent
    assert not [sql for sql in sent if "django_session" in sql and not sql.startswith("SELECT")]
    assert Ranking.objects.count() == ranked + 1


def queries(act: Callable[[], object]) -> int:
    """Count the statements that an act sends."""
    with CaptureQueriesContext(connection) as captured:
        act()
    return len(statements(captured))


def statements(captured: CaptureQueriesContext) -> list[str]:
    """Return the statements that were sent, but for the beginning and the end of transactions."""
    kinds = ("SELECT", "UPDATE", "INSERT", "DELETE")
    sent = (query["sql"].lstrip() for query in captured)
    return [sql for sql in sent if sql.startswith(kinds)]
