"""The questions and statements of the upload pages about how a file is read."""

import pytest
from django.test import Client

from labelapp.models import Prompt, Ranking, State
from tests.labelapp.importing.uploads import URL, confirm, line, lines, numbers_on, page_of, send


def test_the_preview_and_the_result_say_what_was_read_as_what(client: Client) -> None:
    pair = {"question": "Why?", "chosen": "a", "rejected": "b", "topic": 3}
    upload = send(client, lines(pair))
    page = page_of(client, upload)
    assert "<dd>pairs of a better and a worse response</dd>" in page
    assert "<dd>question</dd>" in page
    assert "<dt>Not read</dt>" in page
    assert "<dd>topic (1)</dd>" in page
    assert "<dd>topic (1)</dd>" in page_of(client, confirm(client, upload))


def test_the_preview_says_of_a_line_why_it_cannot_be_imported(client: Client) -> None:
    page = page_of(client, send(client, lines(line(1), line(2, responses=[]))))
    assert "This line cannot be imported: it has no responses: a list of" in page


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


@pytest.mark.parametrize(
    ("fields", "is_asked"),
    [({}, True), ({"labeller": "Ana"}, False), ({"ranking": None}, False)],
)
def test_a_labeller_is_asked_for_where_a_ranking_has_none(
    client: Client, fields: dict[str, str | None], is_asked: bool
) -> None:
    upload = send(client, lines(line(1, **fields)))
    assert ("Labeller of rankings without a name" in page_of(client, upload)) == is_asked
    confirm(client, upload)
    named = [ranking.member.name for ranking in Ranking.objects.all()]
    assert named == (["unknown"] if is_asked else list(filter(None, fields.values())))


def test_a_labeller_is_asked_for_where_the_preview_shows_no_ranking_yet(client: Client) -> None:
    upload = send(client, lines(*(line(number, ranking=None) for number in range(11))))
    assert "Labeller of rankings without a name" in page_of(client, upload)


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
