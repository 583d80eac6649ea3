"""The pages in another language: which, by whose choice, and whether every sentence is there."""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.test import Client

from labelapp.models import Member
from tests.conftest import AddPrompt, sign_in

URL = "/projects/kitchen/labelling/"
GERMAN = {"HTTP_ACCEPT_LANGUAGE": "de-CH,de;q=0.9,en;q=0.5"}
ROOT = Path(settings.BASE_DIR)
MESSAGES = ROOT / "labelapp" / "locale" / "de" / "LC_MESSAGES"
DOMAINS = ["django", "djangojs"]


def catalog(domain: str) -> Catalog:
    with open(MESSAGES / f"{domain}.po", "rb") as file:
        return read_po(file, locale="de")


def sentences(domain: str) -> Iterator[str]:
    """What the pages and scripts say, found without gettext's own tools."""
    if domain == "djangojs":
        for path in (ROOT / "static" / "js").rglob("*.js"):
            text = path.read_text(encoding="utf-8")
            yield from re.findall(r'gettext\(\s*"((?:[^"\\]|\\.)*)"', text)
        return
    for path in (ROOT / "templates").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for _, sentence in re.findall(r"{% translate (['\"])(.*?)\1", text):
            yield sentence.replace("%", "%%")
        for block in re.findall(
            r"{% blocktranslate[^%]*%}(.*?){% endblocktranslate %}", text, re.S
        ):
            for part in re.split(r"{% plural %}", block):
                yield re.sub(r"{{ (\w+) }}", r"%(\1)s", part)
    for path in (ROOT / "labelapp").rglob("*.py"):
        if "migrations" not in path.parts:
            text = path.read_text(encoding="utf-8")
            for call in re.findall(r"\b(?:_|gettext_lazy)\(\s*((?:\"[^\"]*\"\s*)+)[,)]", text):
                yield "".join(re.findall(r'"([^"]*)"', call))
            plurals = r"\bngettext\(\s*((?:\"[^\"]*\"\s*)+),\s*((?:\"[^\"]*\"\s*)+),"
            for call in chain.from_iterable(re.findall(plurals, text)):
                yield "".join(re.findall(r'"([^"]*)"', call))


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_sentence_is_translated(domain: str) -> None:
    known = {}
    for message in catalog(domain):
        ids = forms(message.id)
        strings = forms(message.string)
        assert all(strings), message.id
        assert not message.fuzzy or not message.id, message.id
        known.update(dict.fromkeys(ids))
    missing = sorted(set(sentences(domain)) - known.keys())
    assert missing == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_sentence_is_translated_that_is_not_there(domain: str) -> None:
    said = set(sentences(domain))
    for message in catalog(domain):
        ids = forms(message.id)
        assert not message.id or said & set(ids), message.id


@pytest.mark.parametrize("domain", DOMAINS)
def test_names_in_sentences_are_kept(domain: str) -> None:
    for message in catalog(domain):
        ids = forms(message.id)
        strings = forms(message.string)
        pattern = r"%\(\w+\)s|{\w+}"
        allowed = set(re.findall(pattern, " ".join(ids)))
        for string in strings:
            assert set(re.findall(pattern, string)) <= allowed, message.id


@pytest.mark.parametrize("domain", DOMAINS)
def test_what_is_compiled_is_what_is_written(domain: str) -> None:
    with open(MESSAGES / f"{domain}.mo", "rb") as file:
        compiled = pairs(read_mo(file))
    assert compiled == pairs(catalog(domain)), "run: make words"


def pairs(messages: Catalog) -> list[tuple[list[str], list[str]]]:
    """Each message's forms, and those of its translation."""
    found = [(forms(message.id), forms(message.string)) for message in messages if message.id]
    return sorted(found)


def forms(text: str | list[str] | tuple[str, ...]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def test_a_labeller_reads_their_browsers_language(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    page = sign_in(labeller).get(URL, **GERMAN).content.decode()
    assert '<html lang="de">' in page
    assert "Deine Rangfolge" in page
    assert "Your ranking" not in page


def test_pages_that_are_not_translated_stay_whole_in_english(manager: Member) -> None:
    for path in ("people/", "nowhere/"):
        page = sign_in(manager).get(f"/projects/kitchen/{path}", **GERMAN).content.decode()
        assert '<html lang="en">' in page
        assert "Sign out" in page


@pytest.mark.django_db
def test_a_page_that_is_not_found_is_in_one_language(labeller: Member) -> None:
    client = sign_in(labeller)
    missing = client.get("/projects/attic/labelling/", **GERMAN).content.decode()
    assert '<html lang="de">' in missing
    assert "Seite nicht gefunden" in missing
    assert "Skip to the page" not in missing
    english = client.get("/projects/attic/runs/", **GERMAN).content.decode()
    assert '<html lang="en">' in english
    assert "Page not found" in english


def test_a_language_is_chosen_and_kept(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    client = sign_in(labeller)
    answer = client.post("/language/", {"language": "de", "next": URL})
    assert (answer.status_code, answer["Location"]) == (302, URL)
    assert "Deine Rangfolge" in client.get(URL).content.decode()
    client.post("/language/", {"language": "en-gb", "next": URL})
    assert "Your ranking" in client.get(URL, **GERMAN).content.decode()


def test_choosing_a_language_leads_to_no_other_site(client: Client, db: None) -> None:
    answer = client.post("/language/", {"language": "de", "next": "https://elsewhere.example/"})
    assert answer["Location"] == "/"


def test_scripts_find_their_words(client: Client, db: None) -> None:
    assert "automatisch" in client.get("/words/de.js").content.decode()
    assert "gettext" in client.get("/words/en-gb.js").content.decode()
    assert client.get("/words/xx.js").status_code == 404
    assert client.post("/words/de.js").status_code == 405
