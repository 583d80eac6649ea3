"""The reasons of bad files in the language of the page, and in the words of the command line."""

import ast
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from django.test import Client
from django.utils.translation import override

from labelapp.importing import uploads
from labelapp.importing.bad_lines import read_page
from labelapp.models import Upload
from labelapp.rendering.sentences import translated
from tests.labelapp.importing.bad_files import BAD_LINES, BAD_TABLES, UNREADABLE
from tests.labelapp.importing.uploads import URL, confirm, line, lines, page_of, send
from tests.messages import ROOT, forms, read
from training.formats.lines import RankingFileError
from training.formats.ranking_file import BadLine, open_ranking_file
from training.formats.reading import sentences
from training.sentences import Sentence

GERMAN = {"HTTP_ACCEPT_LANGUAGE": "de"}
# Words that no German sentence has. What a file holds is in quotation marks, and left out.
ENGLISH = re.compile(r"\b(the|has|is|are|be|which|with|that|not|and|of|its|it|to|than|for)\b")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|„[^“]*“|[\w/]+-[\w/.-]+|docs/\S+")
# Calls whose messages become reasons.
ERRORS = {"ValueError", "RankingFileError", "MissingColumnError", "BeginningOnlyError"}
# What only commands print, and how a message is put together of sentences.
ONLY_COMMANDS = {
    "is read from its end: give the name of a file, not standard input or a pipe",
    "holds rankings: import them with import_rankings",
}


def english_in(text: str) -> list[str]:
    return ENGLISH.findall(QUOTED.sub("", text))


def parts(said: str) -> Iterator[Sentence]:
    """Yield a sentence and those among its values."""
    assert isinstance(said, Sentence), said
    yield said
    for value in said.values.values():
        if isinstance(value, Sentence):
            yield from parts(value)


def reasons_in(path: Path) -> Iterator[str]:
    """Yield what is said of a file: of its lines, of how it is read, or why it cannot be read."""
    try:
        with open_ranking_file(str(path)) as file:
            for found in file:
                if isinstance(found, BadLine):
                    yield found.reason
            yield from (text for heading, text in sentences(file.reading.as_dict())
                        if heading in ("file", "read as", "note", "gave nothing"))  # fmt: skip
    except RankingFileError as error:
        yield error.problem


FILES = {
    **{f"{place}.jsonl": lines(line(1), bad) for place, bad in enumerate(BAD_LINES)},
    **{f"{name}.csv": content for name, content in BAD_TABLES.items()},
    **UNREADABLE,
}


@pytest.mark.parametrize("name", FILES)
def test_every_reason_is_said_in_german(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    said = list(reasons_in(tmp_path / name))
    known = {forms(message.id)[0] for message in read("de", "django") if all(forms(message.string))}
    with override("de"):
        for text in said:
            if text in ("JSON Lines", "JSON", "Parquet"):
                continue
            assert {part.template for part in parts(text)} - known == set()
            assert english_in(translated(text)) == []


def test_each_of_the_bad_lines_is_bad(tmp_path: Path) -> None:
    reasons = set()
    for place, bad in enumerate(BAD_LINES):
        path = tmp_path / f"{place}.jsonl"
        path.write_bytes(lines(line(1), bad))
        with open_ranking_file(str(path)) as file:
            found = [one for one in file if isinstance(one, BadLine)]
        assert [one.number for one in found] == [2], bad
        reasons.add(str(getattr(found[0].reason, "template", found[0].reason)))
    assert len(reasons) > 60


def test_no_reason_is_a_bare_text() -> None:
    folders = ("training/formats", "labelapp/importing")
    bare = {}
    for path in (path for folder in folders for path in (ROOT / folder).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ERRORS and node.args:
                said = node.args[0]
                text = ast.unparse(said)
                is_text = isinstance(said, ast.JoinedStr | ast.Constant)
                if is_text and not any(known in text for known in ONLY_COMMANDS):
                    bare[f"{path.name}:{node.lineno}"] = text
    assert bare == {}


def test_a_german_page_lists_bad_lines_in_german(client: Client) -> None:
    upload = send(client, lines(line(1), *BAD_LINES, line(2, ranking=[["a"]], labeller="ann")))
    client.cookies["django_language"] = "de"
    assert uploads.count(confirm(client, upload), "bad_lines") > 60
    reasons = read_page(uploads.bad_lines_path(upload), 1)
    assert all(isinstance(one.reason, Sentence) for one in reasons)
    page = page_of(client, upload)
    assert "Fehlerhafte Zeilen" in page
    cells = [unescape(cell) for cell in re.findall(r'<td class="reason">(.*?)</td>', page, re.S)]
    assert len(cells) == len(reasons)
    assert [cell for cell in cells if "lang=" in cell or english_in(cell)] == []
    assert any(cell.startswith("hat keinen Rang für die Antwort 'b'") for cell in cells)


def test_the_list_to_download_is_in_the_language_of_the_page(client: Client) -> None:
    upload = confirm(client, send(client, lines(line(1, prompt=""), line(2))))
    url = f"{URL}{upload.pk}/bad-lines.csv"
    assert "1,has an empty prompt" in b"".join(client.get(url)).decode()  # type: ignore[arg-type]
    german = b"".join(client.get(url, **GERMAN)).decode()  # type: ignore[arg-type]
    assert "1,hat eine leere Aufgabe" in german


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_german_page_says_why_a_file_cannot_be_read(client: Client, name: str) -> None:
    upload = send(client, UNREADABLE[name], name)
    page = client.get(f"{URL}{upload.pk}/", **GERMAN).content.decode()
    problems = re.findall(r'<p class="card form-problem reason" role="alert">(.*?)</p>', page, re.S)
    for problem in map(unescape, problems):
        assert english_in(problem) == []
        assert "lang=" not in problem
        assert problem[0].isupper()
        assert problem.endswith(".")


def test_a_failed_import_keeps_its_reason_for_every_language(client: Client) -> None:
    upload = confirm(client, send(client, b'[{"prompt": "Why?"}, {', "cut.json"))
    stored = Upload.objects.filter(pk=upload.pk).values_list("reason", flat=True).get()
    assert isinstance(stored, Sentence)
    assert (
        stored
        == "The file is not JSON at item 2: Expecting property name enclosed in double quotes."
    )
    page = client.get(f"{URL}{upload.pk}/", **GERMAN).content.decode()
    assert "Die Datei ist bei Eintrag 2 kein gültiges JSON: ein Schlüssel in doppelten" in page


def test_the_account_of_a_reading_is_in_german(client: Client) -> None:
    pair = {"question": "Why?", "chosen": "a", "rejected": "b", "topic": 3}
    upload = send(client, lines(pair))
    page = client.get(f"{URL}{upload.pk}/", **GERMAN).content.decode()
    assert "<dt>Gelesen als</dt>" in page
    assert "<dd>Paare aus einer besseren und einer schlechteren Antwort</dd>" in page
    assert "<dt>Nicht gelesen</dt>" in page
    assert "<dd>topic (1)</dd>" in page


def test_the_reasons_of_an_earlier_version_are_shown(client: Client) -> None:
    upload = confirm(client, send(client, lines(line(1, prompt=""), line(2, ranking=[["a"]]))))
    path = uploads.bad_lines_path(upload)
    old = [[1, "has an empty prompt"], [2, "has no rank for the response 'b'"]]
    path.write_text("".join(json.dumps(one) + "\n" for one in old))
    page = client.get(f"{URL}{upload.pk}/", **GERMAN).content.decode()
    assert "hat eine leere Aufgabe" in page
    assert '<span lang="en">has no rank for the response &#x27;b&#x27;</span>' in page


def test_the_account_of_an_earlier_version_is_shown(client: Client) -> None:
    upload = confirm(client, send(client, lines(line(1, topic=1))))
    reading = upload.outcome["reading"]
    assert reading["unread"] == [["topic", 1]]
    reading |= {"unread": {"topic": 1}, "notes": {"rankings by letter: a is the first response": 2}}
    upload.save()
    page = page_of(client, upload)
    assert "<dd>topic (1)</dd>" in page
    assert "<dd>rankings by letter: a is the first response (2)</dd>" in page
