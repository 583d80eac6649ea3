"""A manager brings rankings as a file: looked at, confirmed, imported; bad lines are named."""

import csv
import io
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from django.test import Client
from django_tasks_db.models import DBTaskResult

from labelapp.importing import tasks, upload_file
from labelapp.jobs import files
from labelapp.models import Member, Prompt, Ranking, State, Upload
from tests.conftest import sign_in
from tests.labelapp.importing.uploads import (
    URL,
    confirm,
    line,
    lines,
    numbers_on,
    page_of,
    send,
    work,
)

# From a file to rows


def test_a_file_is_looked_at_confirmed_and_imported(client: Client) -> None:
    assert f'href="{URL}"' in client.get("/projects/kitchen/").content.decode()
    upload = send(client, lines(line(1, labeller="ann"), line(2)))
    assert (upload.state, upload.name, upload.size > 0) == ("draft", "rankings.jsonl", True)
    page = page_of(client, upload)
    assert "All lines</h2>" in page
    assert "ranked by ann" in page
    assert "Check and import" in page
    assert not Prompt.objects.exists()
    confirm(client, upload, labeller="bob")
    assert DBTaskResult.objects.get().args_kwargs["args"] == [upload.pk]
    assert upload.state == State.DONE
    assert sorted(r.member.name for r in Ranking.objects.all()) == ["ann", "bob"]
    assert upload.rankings.count() == 2
    page = page_of(client, upload)
    assert "Imported" in page
    assert not upload_file.file_path(upload).exists()


def test_the_task_worker_imports_what_waits(client: Client) -> None:
    upload = send(client, lines(line(1)))
    client.post(f"{URL}{upload.pk}/", {"format": "jsonl", "rankings": "yes", "import": "all"})
    assert "Waiting for a task worker" in page_of(client, upload)
    assert tasks.import_upload.call(upload.pk) == "done"
    assert tasks.import_upload.call(upload.pk) == "done"  # a second time does nothing
    assert tasks.import_upload.call(0) == "deleted"
    assert Ranking.objects.count() == 1


def test_only_the_prompts_may_be_imported(client: Client) -> None:
    upload = confirm(client, send(client, lines(line(1), line(2))), rankings="")
    assert (Prompt.objects.filter(rankings_needed=1).count(), Ranking.objects.count()) == (2, 0)
    page = page_of(client, upload)
    assert "2 rankings were left out, because you chose to import only the prompts." in page


def test_what_is_there_already_is_said(client: Client) -> None:
    confirm(client, send(client, lines(line(1))))
    upload = confirm(client, send(client, lines(line(1), line(2))))
    assert "1 line added nothing new." in page_of(client, upload)
    assert upload.outcome["rankings"] == upload.rankings.count() == 1


def test_a_table_is_read_with_the_separator_that_is_chosen(client: Client) -> None:
    upload = send(client, b"Prompt,Best,Worst\nWhy?,Scattering.,Paint.\n", "classic.csv")
    assert "Detected: The prompt, then its responses, best first" in page_of(client, upload)
    answer = client.post(f"{URL}{upload.pk}/", {"format": "csv", "delimiter": ","})
    assert answer["Location"] == f"{URL}{upload.pk}/"
    assert "Scattering." in page_of(client, upload)
    confirm(client, upload, delimiter=",")
    assert Ranking.objects.get().placements.count() == 2


LONG = b"question;reply;place\nWhy?;Scattering.;1\nWhy?;Paint.;2\nHow?;Slowly.;2\nHow?;Never.;1\n"


def test_somebody_says_which_column_is_what(client: Client) -> None:
    upload = send(client, LONG, "answers.csv")
    page = page_of(client, upload)
    assert "Detected: One response per row" in page
    assert '<option value=";" selected>' in page
    assert "<legend>Columns</legend>" in page
    assert '<option value="reply" selected>' in page  # known by its name
    assert '<option value="place" selected>' not in page
    columns = {"prompt": "question", "response": "reply", "rank": "place", "labeller": ""}
    data = {f"column-{name}": column for name, column in columns.items()}
    client.post(f"{URL}{upload.pk}/", {"format": "long", "delimiter": ";", **data})
    assert '<option value="place" selected>' in page_of(client, upload)
    upload = confirm(client, upload, delimiter=";", **data)
    assert (upload.state, Ranking.objects.count()) == (State.DONE, 2)
    best = Ranking.objects.get(prompt__messages__0__content="How?").placements.get(rank=1)
    assert best.response.text == "Never."


def test_columns_that_another_separator_makes_go_are_guessed_anew(client: Client) -> None:
    upload = send(client, LONG, "answers.csv")
    data = {"format": "long", "delimiter": ",", "column-prompt": "question"}
    answer = client.post(f"{URL}{upload.pk}/", data, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "The file has no column that is known as the response; its columns are" in page
    assert "--column" not in page
    assert "question;reply;place" in page


def test_what_others_write_is_known_by_how_it_begins(client: Client) -> None:
    pairs = lines({"prompt": "Why?", "chosen": "Scattering.", "rejected": "Paint."})
    upload = send(client, pairs, "pairs.json")
    assert "Detected: Pairs: a better and a worse response" in page_of(client, upload)
    confirm(client, upload)
    assert Ranking.objects.get().placements.count() == 2


def test_parquet_is_read(client: Client) -> None:
    table = io.BytesIO()
    columns = {"prompt": ["Why?"] * 2, "response": ["Scattering.", "Paint."], "rank": [1, 2]}
    pyarrow.parquet.write_table(pyarrow.table(columns), table)
    upload = send(client, table.getvalue(), "answers.parquet")
    assert "<dd>Parquet</dd>" in page_of(client, upload)
    assert '<option value="rank" selected>' in page_of(client, upload)
    confirm(client, upload)
    assert Ranking.objects.count() == 1


def test_another_choice_shows_the_first_lines_anew_without_a_page(client: Client) -> None:
    upload = send(client, lines(line(1)))
    data = {"format": "csv", "delimiter": "|", "rankings": "yes"}
    answer = client.post(f"{URL}{upload.pk}/", data, headers={"HX-Request": "true"})
    assert answer.content.decode().lstrip().startswith("<form")
    assert "This file can’t be read like this" in answer.content.decode()
    assert "Check and import" not in answer.content.decode()


def test_a_reading_that_there_is_not_is_refused(client: Client) -> None:
    upload = send(client, lines(line(1)))
    answer = client.post(f"{URL}{upload.pk}/", {"format": "docx", "import": "all"})
    assert answer.status_code == 422
    upload.refresh_from_db()
    assert (upload.state, upload.options.get("format")) == ("draft", None)


def test_a_file_that_cannot_be_read_as_a_whole_says_why(client: Client) -> None:
    upload = send(client, b"\x1f\x8bnot gzip at all", "broken.jsonl.gz")
    page = page_of(client, upload)
    assert "The gzip file is damaged or cut short" in page
    upload = confirm(client, upload)
    assert upload.state == State.FAILED
    assert "damaged" in upload.reason
    assert str(upload_file.file_path(upload)) not in page_of(client, upload)


# Bad lines


@pytest.fixture
def refused(client: Client) -> Upload:
    """Three thousand lines, one per cent of them bad, in three ways."""
    bad: list[Any] = [b"{", line(7, responses=[]), line(1, ranking=[["d"], ["a"], ["b"], ["c"]])]
    found = [
        bad[(number // 100) % 3] if number % 100 == 99 else line(number) for number in range(3000)
    ]
    return confirm(client, send(client, lines(*found)))


def test_with_bad_lines_nothing_is_imported_and_each_is_named_in_its_order(
    client: Client, refused: Upload
) -> None:
    assert refused.state == State.REFUSED
    assert not Prompt.objects.exists()
    page = page_of(client, refused)
    assert "30 of 3,000 lines have errors" in page
    assert numbers_on(page) == list(range(100, 3001, 100))
    for reason in ("is not JSON", "has no responses", "is a second, different ranking"):
        assert page.count(reason) == 10
    answer = client.get(f"{URL}{refused.pk}/bad-lines.csv")
    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert rows[0] == ["line", "reason"]
    assert [int(number) for number, _ in rows[1:]] == numbers_on(page)


def test_the_other_lines_are_imported_only_when_asked(client: Client, refused: Upload) -> None:
    assert "Import the other 2,970 lines" in page_of(client, refused)
    client.post(f"{URL}{refused.pk}/import/", {"import": "others"})
    done = work(refused)
    assert (done.state, Ranking.objects.count()) == (State.DONE, 2970)
    page = page_of(client, done)
    assert "30 bad lines were left out." in page
    assert len(numbers_on(page)) == 30


def test_bad_lines_are_paged_and_none_is_left_out(client: Client) -> None:
    upload = confirm(client, send(client, b"{\n" * 250))
    seen = [numbers_on(page_of(client, upload, f"?page={page}")) for page in (1, 2, 3)]
    assert [len(numbers) for numbers in seen] == [100, 100, 50]
    assert [number for numbers in seen for number in numbers] == list(range(1, 251))
    assert "Import the other" not in page_of(client, upload)
    assert numbers_on(page_of(client, upload, "?page=nine")) == seen[0]


def test_a_refused_file_may_be_read_differently_or_discarded(client: Client) -> None:
    upload = confirm(client, send(client, b"Prompt;Best;Worst\nWhy?;Scattering.;Paint.\n"))
    assert upload.state == State.REFUSED
    client.post(f"{URL}{upload.pk}/anew/")
    assert "Change the format" in page_of(client, upload)
    folder = files.folder_of(upload).path
    assert client.post(f"{URL}{upload.pk}/discard/")["Location"] == URL
    assert not folder.exists()
    assert client.get(f"{URL}{upload.pk}/").status_code == 404


# Who may


PATHS = ["", "progress/", "import/", "anew/", "stop/", "discard/", "bad-lines.csv"]


@pytest.mark.parametrize("path", PATHS)
def test_only_managers_come_near_an_upload(
    client: Client, path: str, reviewer: Member, labeller: Member, outsider: Any
) -> None:
    upload = confirm(client, send(client, b"{\n"))
    url = f"{URL}{upload.pk}/{path}"
    acts = path in ("import/", "anew/", "stop/", "discard/")
    for person, status in ((reviewer, 403), (labeller, 403), (outsider, 404)):
        browser = sign_in(person)
        assert (browser.post(url) if acts else browser.get(url)).status_code == status
    assert (Client().post(url) if acts else Client().get(url)).status_code == 302
    assert client.get(url).status_code == (405 if acts else 200)
    assert Upload.objects.filter(pk=upload.pk, state=State.REFUSED).exists()


@pytest.mark.parametrize("path", PATHS)
def test_an_upload_of_another_project_is_not_there(
    client: Client, path: str, manager: Member
) -> None:
    upload = send(client, lines(line(1)))
    other = type(upload.project).objects.create(name="Cellar", slug="cellar")
    Member.objects.create(project=other, user=manager.user, name="m", role="manager")
    url = f"/projects/cellar/uploads/{upload.pk}/{path}"
    acts = path in ("import/", "anew/", "stop/", "discard/")
    assert (client.post(url) if acts else client.get(url)).status_code == 404
    assert client.get("/projects/cellar/uploads/").status_code == 200


def test_pages_take_as_many_queries_for_many_uploads(
    client: Client, manager: Member, django_assert_max_num_queries: Any
) -> None:
    upload = confirm(client, send(client, b"{\n" * 250))
    Upload.objects.bulk_create(
        Upload(project=manager.project, created_by=manager.user, name=f"{n}", format="jsonl")
        for n in range(60)
    )
    with django_assert_max_num_queries(7):
        client.get(URL)
    with django_assert_max_num_queries(5):
        client.get(f"{URL}{upload.pk}/?page=2")
