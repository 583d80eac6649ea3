"""Uploads: a file is previewed, and then imported completely or not at all."""

import csv
import io
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from labelapp.importing import tasks, upload_handler, uploads
from labelapp.jobs import files, jobs
from labelapp.models import Member, Prompt, Ranking, State, Upload
from tests.conftest import sign_in
from tests.labelapp.exporting.test_writer import room_for
from tests.labelapp.importing.uploads import URL, confirm, line, lines, page_of, send, work
from tests.waiting import wait_until


@pytest.fixture
def client(manager: Member) -> Client:
    return sign_in(manager)


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
    page = page_of(client, upload)
    assert "Imported" in page
    assert not uploads.file_path(upload).exists()


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
    assert upload.outcome["rankings"] == 1


def test_a_table_is_read_with_the_separator_that_is_chosen(client: Client) -> None:
    upload = send(client, b"Prompt,Best,Worst\nWhy?,Scattering.,Paint.\n", "classic.csv")
    assert "Detected: the prompt, then its responses, best first" in page_of(client, upload)
    answer = client.post(f"{URL}{upload.pk}/", {"format": "csv", "delimiter": ","})
    assert answer["Location"] == f"{URL}{upload.pk}/"
    assert "Scattering." in page_of(client, upload)
    confirm(client, upload, delimiter=",")
    assert Ranking.objects.get().placements.count() == 2


LONG = b"question;reply;place\nWhy?;Scattering.;1\nWhy?;Paint.;2\nHow?;Slowly.;2\nHow?;Never.;1\n"


def test_somebody_says_which_column_is_what(client: Client) -> None:
    upload = send(client, LONG, "answers.csv")
    page = page_of(client, upload)
    assert "Detected: one response per row" in page
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
    assert "Detected: pairs: a better and a worse response" in page_of(client, upload)
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
    assert str(uploads.file_path(upload)) not in page_of(client, upload)


# Bad lines


@pytest.fixture
def refused(client: Client) -> Upload:
    """Three thousand lines, one per cent of them bad, in three ways."""
    bad: list[Any] = [b"{", line(7, responses=[]), line(1, ranking=[["d"], ["a"], ["b"], ["c"]])]
    found = [
        bad[(number // 100) % 3] if number % 100 == 99 else line(number) for number in range(3000)
    ]
    return confirm(client, send(client, lines(*found)))


def numbers_on(page: str) -> list[int]:
    rows = page.split('<th scope="row" class="number">')[1:]
    return [int(row.split("<")[0]) for row in rows]


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
    assert "Read it differently" in page_of(client, upload)
    folder = files.folder_of(upload).path
    assert client.post(f"{URL}{upload.pk}/discard/")["Location"] == URL
    assert not folder.exists()
    assert client.get(f"{URL}{upload.pk}/").status_code == 404


# Stopped, killed, lost


def test_a_waiting_import_stops_at_once_and_can_be_asked_for_again(client: Client) -> None:
    upload = send(client, lines(line(1)))
    client.post(f"{URL}{upload.pk}/", {"format": "jsonl", "rankings": "yes", "import": "all"})
    client.post(f"{URL}{upload.pk}/stop/")
    upload = work(upload)
    assert upload.state == State.STOPPED
    assert "Stopped on request. Nothing was imported." in page_of(client, upload)
    client.post(f"{URL}{upload.pk}/import/", {"import": "all"})
    assert work(upload).state == State.DONE


@pytest.mark.django_db(transaction=True)
def test_a_running_import_stops_on_request_and_nothing_is_left(client: Client) -> None:
    """It is stopped while it holds SQLite's only write lock, and the page still answers."""
    upload = send(client, lines(*(line(number) for number in range(6000))))
    uploads.start(upload=upload, enqueue=lambda pk: None)
    worker = threading.Thread(target=lambda: (uploads.execute(upload), connections.close_all()))
    worker.start()
    folder = files.folder_of(upload)
    wait_until(lambda: folder.read_progress()[0] > 0)
    assert client.post(f"{URL}{upload.pk}/stop/").status_code == 302
    assert "Stopping…" in client.get(f"{URL}{upload.pk}/progress/").content.decode()
    worker.join()
    upload.refresh_from_db()
    assert (upload.state, Prompt.objects.count()) == (State.STOPPED, 0)


@pytest.fixture
def running(client: Client) -> Upload:
    upload = send(client, lines(line(1)))
    uploads.start(upload=upload, enqueue=lambda pk: None)
    long_ago = timezone.now() - 2 * Upload.LOST_AFTER
    Upload.objects.update(state=State.RUNNING, heartbeat_at=long_ago)
    upload.refresh_from_db()
    return upload


def test_an_import_whose_worker_was_killed_says_so(client: Client, running: Upload) -> None:
    page = client.get(f"{URL}{running.pk}/progress/").content.decode()
    assert "The task worker stopped responding. Nothing was imported." in page
    assert "Import again" in page


def test_an_import_that_is_at_it_is_not_taken_for_lost(client: Client, running: Upload) -> None:
    running.total, running.done = 200, 50
    with files.beating(running):
        page = page_of(client, running)
    assert "Checking and importing" in page
    assert 'max="200" value="50"' in page


def test_nothing_comes_of_an_import_that_was_given_up(client: Client, running: Upload) -> None:
    """A worker that was suspended must not finish an import that the page calls lost."""
    with files.beating(running) as advance:
        Upload.objects.update(state=State.FAILED, reason="Gone.", finished_at=timezone.now())
        with pytest.raises(jobs.StoppedError):
            uploads.import_file(running, advance)
    assert not running.project.prompts.exists()


# The file on the server's disk


@pytest.mark.parametrize("change", ["cut", "altered"])
def test_a_file_that_changes_on_the_disk_is_not_imported(client: Client, change: str) -> None:
    upload = send(client, lines(line(1), line(2)))
    path = uploads.file_path(upload)
    content = path.read_bytes()
    first = content.index(b"\n") + 1
    path.write_bytes(content[:first] if change == "cut" else content.replace(b"Why 2", b"Who 2"))
    upload = confirm(client, upload)
    assert (upload.state, upload.reason) == (State.FAILED, uploads.CHANGED)
    assert not Prompt.objects.exists()
    assert uploads.CHANGED in page_of(client, upload)


def test_a_file_of_an_earlier_version_is_known_by_its_size(client: Client) -> None:
    upload = send(client, lines(line(1), line(2)))
    uploads.checksum_path(upload).unlink()
    assert confirm(client, upload).state == State.DONE


def test_a_damaged_parquet_file_is_refused_as_what_it_is(client: Client) -> None:
    upload = send(client, b"PAR1" + bytes(1000), "rankings.parquet")
    page = page_of(client, upload)
    assert "The file is a Parquet file that cannot be opened:" in page
    assert "Save it again" in page
    upload = confirm(client, upload)
    assert upload.state == State.FAILED
    assert upload.reason.startswith("The file is a Parquet file that cannot be opened:")


# What is kept, and for how long


@pytest.mark.parametrize("by_command", [False, True])
def test_files_of_uploads_that_nobody_ended_go_after_a_while(
    client: Client, by_command: bool
) -> None:
    old, done = send(client, lines(line(1))), confirm(client, send(client, lines(line(2))))
    fresh = send(client, lines(line(3)))
    long_ago = timezone.now() - uploads.KEPT_FOR - timedelta(days=1)
    Upload.objects.exclude(pk=fresh.pk).update(created_at=long_ago)
    if by_command:
        call_command("clean_up", stdout=io.StringIO())  # as `serve` does it every day
    else:
        send(client, lines(line(4)))
    assert set(Upload.objects.filter(pk__lte=fresh.pk)) == {done, fresh}
    assert not files.folder_of(old).path.exists()
    assert files.folder_of(fresh).path.exists()
    assert "Imported" in page_of(client, done)


def test_only_podium_may_read_the_files(client: Client) -> None:
    upload = send(client, lines(line(1)))
    path = uploads.file_path(upload)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


# What is sent


@pytest.mark.parametrize(
    ("name", "shown", "stored"),
    [
        ("../../etc/passwd", "passwd", "file"),
        ("..\\..\\boot.csv", "boot.csv", "file.csv"),
        ("<b onclick=alert(1)>.JSONL.GZ", "&lt;b onclick", "file.jsonl.gz"),
        ("übung.csv\u202egnp", "übung.csvgnp", "file.csvgnp"),
        ("a" * 300 + ".csv", "aaa.csv", "file.csv"),
    ],
)
def test_a_hostile_name_is_only_shown(client: Client, name: str, shown: str, stored: str) -> None:
    file = SimpleUploadedFile("x", lines(line(1)))
    file._name = name  # as a browser may send it
    client.post(URL, {"file": file})
    upload = Upload.objects.get()
    assert uploads.file_path(upload).name == stored
    assert shown in page_of(client, upload) or shown in upload.name
    assert "<b onclick" not in page_of(client, upload)
    assert "/" not in upload.name


def test_hostile_texts_are_shown_as_texts(client: Client) -> None:
    hostile = "<img src=x onerror=alert(1)> ![](http://example.org/x.png)"
    upload = send(client, lines(line(1, prompt=hostile, labeller=hostile)))
    page = page_of(client, upload)
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt; ![](http://example.org/x.png)" in page


@pytest.mark.parametrize("data", [{}, {"file": ""}, {"file": SimpleUploadedFile("a.jsonl", b"")}])
def test_no_file_or_an_empty_one_is_refused_in_the_form(client: Client, data: Any) -> None:
    answer = client.post(URL, data)
    assert answer.status_code == 422
    assert "errorlist" in answer.content.decode()
    assert not Upload.objects.exists()


def left() -> list[Path]:
    folder = upload_handler.incoming_folder()
    return list(folder.iterdir()) if folder.exists() else []


def test_a_file_that_is_too_large_is_refused_in_words(client: Client, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 2**20
    answer = client.post(URL, {"file": SimpleUploadedFile("a.jsonl", b"x" * 2**21)})
    assert answer.status_code == 422
    assert "The file is larger than the limit of 1.0\xa0MB." in answer.content.decode()
    assert left() == []


def test_a_full_disk_is_said_in_words_and_nothing_is_left(client: Client) -> None:
    with room_for(2**16):
        answer = client.post(URL, {"file": SimpleUploadedFile("a.jsonl", b"x" * 2**18)})
    assert answer.status_code == 422
    assert "has no room for this file" in answer.content.decode()
    assert left() == []


def test_who_may_not_upload_leaves_nothing_on_the_disk(labeller: Member, manager: Member) -> None:
    """The same holds for a manager on a page that accepts no files."""

    def data() -> dict[str, Any]:
        return {"file": SimpleUploadedFile("a.jsonl", b"x" * 2**20)}

    assert sign_in(labeller).post(URL, data()).status_code == 403
    checked = Client(enforce_csrf_checks=True)
    checked.force_login(manager.user)
    assert checked.post(URL, data()).status_code == 403
    sign_in(manager).post("/projects/kitchen/settings/", data())
    assert left() == []


def test_a_token_that_is_sent_before_the_file_lets_it_in(manager: Member) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(manager.user)
    page = client.get(URL).content.decode()
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    data = {"csrfmiddlewaretoken": token, "file": SimpleUploadedFile("a.jsonl", lines(line(1)))}
    assert client.post(URL, data).status_code == 302


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


# How the file is read


def test_the_preview_and_the_result_say_what_was_read_as_what(client: Client) -> None:
    pair = {"question": "Why?", "chosen": "a", "rejected": "b", "topic": 3}
    upload = send(client, lines(pair))
    page = page_of(client, upload)
    assert "<dd>pairs of a better and a worse response</dd>" in page
    assert "<dd>question</dd>" in page
    assert "<dt>Not read</dt>" in page
    assert "<dd>topic (1)</dd>" in page
    assert "<dd>topic (1)</dd>" in page_of(client, confirm(client, upload))


def test_what_a_verdict_means_is_asked_on_the_page(client: Client) -> None:
    table = b"prompt,response_a,response_b,label\nWhy?,x,y,0\nHow?,x,y,1\n"
    upload = send(client, table, "labels.csv")
    page = page_of(client, upload)
    assert "The file holds 0, 1 in &#x27;label&#x27;" in page
    assert 'name="verdict-0"' in page
    assert "--verdict" not in page
    assert "Check and import" not in page
    told = {"verdict-0": "response_b", "verdict-1": "response_a"}
    client.post(f"{URL}{upload.pk}/", {"rankings": "yes", **told})
    assert "Check and import" in page_of(client, upload)
    confirm(client, upload, **told)
    best = Ranking.objects.get(prompt__messages__0__content="Why?").placements.get(rank=1)
    assert best.response.text == "y"


def test_scores_can_be_turned_round_on_the_page(client: Client) -> None:
    table = b"prompt,response,score\nWhy?,x,1\nWhy?,y,5\n"
    upload = send(client, table, "scores.csv")
    assert "The highest is the best" in page_of(client, upload)
    confirm(client, upload, higher_is_better="no")
    assert Ranking.objects.get().placements.get(rank=1).response.text == "x"


def test_a_file_in_another_encoding_is_shown_in_the_likely_one(client: Client) -> None:
    table = "prompt;response;rank\nCafé Müller?;Drüben.;1\nCafé Müller?;Hier.;2\n"
    upload = send(client, table.encode("windows-1252"), "excel.csv")
    page = page_of(client, upload)
    assert '<option value="windows-1252" selected>' in page
    assert "Café Müller?" in page


def test_a_table_without_known_columns_is_read_as_somebody_says(client: Client) -> None:
    upload = send(client, b"Why?,A.,B.\nHow?,C.,D.\n", "table.csv")
    page = page_of(client, upload)
    assert "whose names do not say what they hold. Choose the format" in page
    assert "--" not in page.split('role="alert">')[1].split("</p>")[0]
    upload = confirm(client, upload, format="csv", header="no")
    assert Ranking.objects.count() == 2


def test_of_very_many_bad_lines_the_first_are_kept(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelapp.importing.bad_lines.MOST_LINES", 120)
    upload = confirm(client, send(client, b"{\n" * 250))
    assert (upload.outcome["bad_lines"], upload.outcome["bad_lines_listed"]) == (250, 120)
    page = page_of(client, upload, "?page=2")
    assert len(numbers_on(page)) == 20
    assert "Download the first 120 as CSV" in page


def test_ids_of_records_give_way_where_a_prompt_has_another(client: Client) -> None:
    rows = [{"id": n, "prompt": "Why?", "chosen": a, "rejected": b, "annotator": f"p{n}"}
            for n, (a, b) in enumerate([("x", "y"), ("y", "x")])]  # fmt: skip
    upload = confirm(client, send(client, lines(*rows)))
    assert upload.state == State.DONE
    assert Prompt.objects.get().external_id == "0"
    assert "1 ID was left out" in page_of(client, upload)


def test_responses_that_look_alike_or_like_nothing_are_counted(client: Client) -> None:
    texts = ["a", "a ", "a\u200b", "\u200b"]
    responses = [{"id": str(n), "text": text} for n, text in enumerate(texts)]
    upload = confirm(client, send(client, lines({"prompt": "Why?", "responses": responses})))
    assert (upload.outcome["unseen"], upload.outcome["alike"]) == (1, 2)
    page = page_of(client, upload)
    assert "1 response has nothing that can be seen" in page
    assert "2 responses differ from another one to the same prompt only in invisible" in page
