"""The pages in another language: which, by whose choice, and whether every sentence is there."""

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.http import HttpResponse
from django.template.base import Lexer, TokenType
from django.test import Client

from labelapp.models import Member, Role
from labelapp.projects import invitations
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


def invitation(manager: Member, role: Role) -> str:
    made = invitations.create(
        project=manager.project, role=role, lasts=timedelta(days=1), single=True, user=manager.user
    )
    return f"/join/{invitations.token(made)}/"


@pytest.fixture
def translated_pages(
    client: Client, add_prompt: AddPrompt, labeller: Member, manager: Member
) -> list[HttpResponse]:
    """Each page that a labeller comes across, in German, as labellers and managers get it."""
    add_prompt()
    link = invitation(manager, Role.MANAGER)
    pages = [client.get(url, **GERMAN) for url in (link, "/join/1.forged/", "/sign-in/")]
    for member in (labeller, manager):
        own = sign_in(member)
        urls = ["/", "/projects/kitchen/", URL, "/projects/kitchen/my-work/", "/account/"]
        pages += [own.get(url, **GERMAN) for url in urls]
        pages.append(own.get("/projects/attic/", **GERMAN))
    pages.append(sign_in(labeller).get(link, **GERMAN))
    return pages


def test_every_page_of_a_labeller_is_translated(translated_pages: list[HttpResponse]) -> None:
    for page in translated_pages:
        assert '<html lang="de">' in page.content.decode(), page.templates[0].name


def test_translated_pages_say_nothing_that_is_not_translated(
    translated_pages: list[HttpResponse],
) -> None:
    templates = {str(each.origin) for page in translated_pages for each in page.templates}
    own = [path for path in map(Path, templates) if path.is_relative_to(ROOT / "templates")]
    said = {path.name: words for path in own if (words := bare_words(path))}
    for page in ("labeller.html", "dashboard.html", "_tiles.html"):
        assert ROOT / "templates" / "overview" / page in own
    assert said == {}


def bare_words(path: Path) -> list[str]:
    """The words of a template that are outside translated sentences, tags and code."""
    text, translated = "", False
    source = re.sub(r"{% block main_class %}.*?{% endblock %}", "", path.read_text("utf-8"))
    for token in Lexer(source).tokenize():
        if token.token_type == TokenType.BLOCK and "blocktranslate" in token.contents.split()[0]:
            translated = not token.contents.startswith("end")
        elif token.token_type == TokenType.TEXT and not translated:
            text += token.contents
        elif token.token_type == TokenType.VAR and not translated:
            text += "0"
    text = re.sub(r"<(script|style|code|kbd)\b.*?</\1>", "", text, flags=re.S)
    attributes = re.findall(r'\b(?:aria-label|title|placeholder|alt)="([^"]*)"', text)
    spoken = " ".join([re.sub(r"<[^>]*>", " ", text), *attributes])
    return [word for word in re.findall(r"[^\W\d_]{2,}", spoken) if word != "Podium"]


def test_a_person_is_invited_and_joins_in_their_language(client: Client, manager: Member) -> None:
    link = invitation(manager, Role.LABELLER)
    assert "Konto anlegen und beitreten" in client.get(link, **GERMAN).content.decode()
    entered = {"username": "nina", "password1": "viele leise Wörter", "password2": "ein anderes"}
    refused = client.post(link, entered, **GERMAN).content.decode()
    assert "Die beiden Passwörter sind nicht identisch." in refused
    entered["password2"] = entered["password1"]
    joined = client.post(link, entered, **GERMAN, follow=True).content.decode()
    assert "Du bist jetzt Mitglied von Kitchen. Deine Rolle: Bewertung." in joined
    used = Client().get(link, **GERMAN).content.decode()
    assert "Diese Einladung war für eine Person und ist schon benutzt." in used
    assert "Bitte um eine neue, wo du diese bekommen hast." in used


def test_the_menu_is_in_one_language(add_prompt: AddPrompt, manager: Member) -> None:
    add_prompt()
    german = sign_in(manager).get(URL, **GERMAN).content.decode()
    assert menu(german) == [
        *("Übersicht", "Bewerten", "Meine Arbeit", "Aufgaben", "Hochladen", "Export"),
        *("Fortschritt", "Übereinstimmung", "Abweichungen", "Läufe", "Modelle", "Prüfen"),
        *("Personen", "Einstellungen"),
    ]
    english = sign_in(manager).get("/projects/kitchen/people/", **GERMAN).content.decode()
    assert menu(english)[3:] == [
        *("Prompts", "Upload", "Export", "Progress", "Agreement", "Disagreements"),
        *("Runs", "Models", "Review", "People", "Settings"),
    ]


def menu(page: str) -> list[str]:
    nav = page[page.index('<nav class="menu"') : page.index("</nav>")]
    return re.findall(r">([^<>]+)</a>", nav)


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
    assert "Rangfolge gespeichert." in client.get("/words/de.js").content.decode()
    assert "gettext" in client.get("/words/en-gb.js").content.decode()
    assert client.get("/words/xx.js").status_code == 404
    assert client.post("/words/de.js").status_code == 405
