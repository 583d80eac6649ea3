"""The pages in another language: which, by whose choice, and whether every sentence is there."""

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from operator import attrgetter
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo
from django.conf import settings
from django.contrib import admin
from django.forms import BaseForm
from django.http import HttpResponse
from django.test import Client
from django.urls import get_resolver
from django.utils import translation
from django.utils.functional import Promise

from labelapp.admin import ReadOnlyAdmin
from labelapp.jobs import jobs
from labelapp.models import Member, Role, User
from labelapp.projects import invitations
from labelapp.templatetags.stored import stored
from tests.conftest import AddPrompt, sign_in
from tests.messages import (
    DOMAINS,
    LOCALES,
    ROOT,
    forms,
    languages,
    messages_in,
    messages_of,
    read,
    sources,
)
from tests.untranslated import bare_sentences, bare_words, bare_words_of_script

URL = "/projects/kitchen/labelling/"
GERMAN = {"HTTP_ACCEPT_LANGUAGE": "de-CH,de;q=0.9,en;q=0.5"}
COMPLETE = [language for language in settings.COMPLETE_LANGUAGES if language != "en-gb"]

# What says something that is not translated yet, below templates/ and labelapp/, with the reason.
# Keep it empty.
LEFT: dict[str, str] = {}
ATTRIBUTES = {"runs/_live.html"}  # templates of attributes, which are no text
# Python that says nothing on pages, or only in English, and why.
ENGLISH_PYTHON = {
    "labelapp/settings.py": "for whoever starts the server",
    "labelapp/web/health.py": "for the machines that ask whether the server is well",
    "labelapp/web/sessions.py": "names of systems",
    "labelapp/rendering/code.py": "names of languages",
    "labelapp/rendering/charts.py": "paths of SVG",
    "labelapp/db": "SQL, and what `manage.py check` says",
    "labelapp/labelling/queue.py": "SQL",
    "labelapp/importing/staging.py": "the name of a hidden project",
    "labelapp/formats": "forms of dates",
    "labelapp/exporting/exports.py": "put around what the writer of files says in English",
    "labelapp/exporting/writer.py": "said by a command, and stored with an export",
    "labelapp/registry/service.py": "a header",
    "training": "for whoever starts a command; what pages show of it is marked as a sentence",
    "labelapp/models": "help of fields, which the forms replace, and the flags of InstructGPT",
}


def not_left(paths: Iterable[Path]) -> list[Path]:
    """Return the files that are not in LEFT."""
    left = tuple(LEFT)
    return [
        p for p in paths if not p.relative_to(ROOT).as_posix().partition("/")[2].startswith(left)
    ]


def test_what_is_counted_is_not_looked_up_on_its_own() -> None:
    # Before 3.11.4, Python does not find a message on its own that has a plural.
    found = {m for path in sources("django") for m, context in messages_in(path) if not context}
    counted = {message[0] for message in found if isinstance(message, tuple)}
    assert counted & found == set()


def test_templates_say_nothing_that_is_not_translated() -> None:
    folder = ROOT / "templates"
    paths = set(not_left(folder.rglob("*.html"))) - {folder / name for name in ATTRIBUTES}
    assert {str(path): words for path in paths if (words := bare_words(path))} == {}


def test_python_says_nothing_that_is_not_translated() -> None:
    english = tuple(str(ROOT / name) for name in ENGLISH_PYTHON)
    paths = not_left(path for path in sources("django") if path.suffix == ".py")
    said = {str(path): bare_sentences(path) for path in paths}
    bare = {path: found for path, found in said.items() if found and not path.startswith(english)}
    assert bare == {}


def subclasses(of: type) -> Iterator[type]:
    for each in of.__subclasses__():
        yield each
        yield from subclasses(each)


def test_forms_say_nothing_that_is_not_translated() -> None:
    assert get_resolver().url_patterns  # every view is imported, and with it every form
    of_pages = [
        each
        for each in subclasses(BaseForm)
        if each.__module__.startswith("labelapp.")
        and not each.__module__.endswith(".admin")
        and not_left([ROOT / f"{each.__module__.replace('.', '/')}.py"])
    ]
    assert len(of_pages) > 10
    bare = {
        f"{each.__name__}.{name}": said
        for each in of_pages
        for name, field in getattr(each, "base_fields", {}).items()
        for said in (field.label, field.help_text)
        if said and not isinstance(said, Promise) and not field.widget.is_hidden
    }
    assert bare == {}


def test_scripts_say_nothing_that_is_not_translated() -> None:
    said = {str(path): list(bare_words_of_script(path)) for path in sources("djangojs")}
    assert {path: found for path, found in said.items() if found} == {}


def keys(catalog: Catalog) -> dict[tuple[str, str], list[str]]:
    """Return the translations of a catalogue by message and context."""
    return {
        (forms(message.id)[0], text(message.context)): forms(message.string)
        for message in catalog
        if message.id
    }


def text(context: str | bytes | None) -> str:
    """Return the context of a message, which a compiled catalogue has as bytes."""
    return context.decode() if isinstance(context, bytes) else context or ""


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", COMPLETE)
def test_every_sentence_is_translated(language: str, domain: str) -> None:
    known = read(language, domain)
    translated = {key: strings for key, strings in keys(known).items() if all(strings)}
    missing = [key for key in keys(messages_of(domain)) if key not in translated]
    assert missing == [], "run: make messages"
    assert [message.id for message in known if message.fuzzy and message.id] == []


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", languages())
def test_no_sentence_is_translated_that_is_not_there(language: str, domain: str) -> None:
    gone = keys(read(language, domain)).keys() - keys(messages_of(domain)).keys()
    assert sorted(map(str, gone)) == [], "run: make messages"


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", languages())
def test_names_in_sentences_are_kept(language: str, domain: str) -> None:
    pattern = r"%\(\w+\)s|%\(\w+\)d|{\w+}"
    for message in filter(attrgetter("id"), read(language, domain)):
        allowed = set(re.findall(pattern, " ".join(forms(message.id))))
        needed = set.intersection(*(set(re.findall(pattern, one)) for one in forms(message.id)))
        for string in filter(None, forms(message.string)):
            names = set(re.findall(pattern, string))
            assert names <= allowed, message.id
            assert needed - {"%(level)s"} <= names or len(forms(message.string)) > 1, message.id


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", languages())
def test_tags_in_sentences_are_kept(language: str, domain: str) -> None:
    for message in filter(attrgetter("id"), read(language, domain)):
        tags = sorted(re.findall(r"</?\w+", forms(message.id)[-1]))
        for string in filter(None, forms(message.string)):
            assert sorted(re.findall(r"</?\w+", string)) == tags, message.id


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", languages())
def test_what_is_compiled_is_what_is_written(language: str, domain: str) -> None:
    with open(LOCALES / language / "LC_MESSAGES" / f"{domain}.mo", "rb") as file:
        compiled = keys(read_mo(file))
    written = {key: strings for key, strings in keys(read(language, domain)).items() if strings[0]}
    assert compiled == written, "run: make messages"


def test_sentences_are_found_as_django_finds_them(tmp_path: Path) -> None:
    template = tmp_path / "page.html"
    template.write_text(
        '{% load i18n %}\n  <p title="{% translate "Title" %}">'
        "{% blocktranslate count n=some|length %}"
        "{{ n }} of 10 %{% plural %}{{ n }} of them{% endblocktranslate %}</p>\n"
        '{% translate "Rank" context "verb" %}{{ name|default:_("nobody") }}'
    )
    assert list(messages_in(template)) == [
        ("Title", None),
        (("%(n)s of 10 %%", "%(n)s of them"), None),
        ("Rank", "verb"),
        ("nobody", None),
    ]


def test_what_is_not_marked_is_found(tmp_path: Path) -> None:
    template = tmp_path / "page.html"
    template.write_text(
        "<p title='Hint' data-more='Show more' class='wide'>{% translate 'Marked' %} Bare"
        '{% include "a.html" with label="Measure again" %}{{ n }} word{{ n|pluralize:"s,es" }}'
        "<code>manage.py</code></p>"
    )
    words = ["Hint", "Show", "more", "Bare", "Measure", "again", "word", "es"]
    assert sorted(bare_words(template)) == sorted(words)
    python = tmp_path / "views.py"
    python.write_text(
        '"""A docstring here."""\nmessages.info(request, f"Saved {n} files.")\n'
        'a = _("Marked as it is.")\nraise ValueError("Never seen")\nx(label="Name")\n'
    )
    assert bare_sentences(python) == ["Saved 0 files.", "Name"]


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


def menu(page: str) -> list[str]:
    nav = page[page.index('<nav class="menu"') : page.index("</nav>")]
    return re.findall(r">([^<>]+)</a>", nav)


def test_the_administration_is_in_the_language_of_the_account_menu(root: User) -> None:
    client, url = sign_in(root), "/admin/labelapp/member/"
    english = client.get(url).content.decode()
    assert '<button name="language" value="de" lang="de">Deutsch</button>' in english
    assert 'value="ar"' not in english
    chosen = client.post("/language/", {"language": "de", "next": url}, follow=True)
    page = chosen.content.decode()
    assert '<html lang="de"' in page
    assert "Dein Konto" in page
    assert "Mitglied zur Änderung auswählen" in page
    assert '<button name="language" value="en-gb" lang="en-gb">English</button>' in page


def test_the_administration_names_its_rows_and_fields_in_the_language(
    root: User, add_prompt: AddPrompt
) -> None:
    prompt = add_prompt()
    client = sign_in(root)
    assert "<h1>Verwaltung</h1>" in client.get("/admin/", **GERMAN).content.decode()
    page = client.get(f"/admin/labelapp/prompt/{prompt.pk}/change/", **GERMAN).content.decode()
    assert "Gewünschte Rangfolgen:" in page
    page = client.get("/admin/django_tasks_database/dbtaskresult/", **GERMAN).content.decode()
    assert "Hintergrundauftrag zum Ansehen auswählen" in page
    assert "Task" not in page.replace("django_tasks_database", "")
    for model, shown in admin.site._registry.items():
        if model.__module__.startswith("labelapp.") and model is not User:
            assert isinstance(model._meta.verbose_name, Promise)
            names = {*shown.list_display, *(shown.fields or ())}
            every = isinstance(shown, ReadOnlyAdmin)
            fields = [f for f in model._meta.fields if f.editable and not f.primary_key]
            labels = {f.name: f.verbose_name for f in fields if every or f.name in names}
            assert {n for n, label in labels.items() if not isinstance(label, Promise)} == set()


@pytest.mark.django_db
def test_a_page_that_is_not_found_is_in_one_language(labeller: Member) -> None:
    client = sign_in(labeller)
    for path in ("attic/labelling/", "kitchen/nowhere/"):
        missing = client.get(f"/projects/{path}", **GERMAN).content.decode()
        assert '<html lang="de">' in missing
        assert "Seite nicht gefunden" in missing
        assert "Skip to the page" not in missing


def test_a_manager_reads_the_pages_of_quality_and_of_files_in_german(manager: Member) -> None:
    client = sign_in(manager)
    for path, said in {
        "agreement": "Noch nicht gemessen",
        "disagreements": "Übereinstimmung messen",
        "uploads": "Was du hochladen kannst",
        "export": "Datei bereitstellen",
    }.items():
        page = client.get(f"/projects/kitchen/{path}/", **GERMAN).content.decode()
        assert '<html lang="de">' in page, path
        assert said in page, path


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


def test_a_stored_sentence_is_translated_before_it_is_cut() -> None:
    with translation.override("de"):
        assert stored(jobs.LOST, 30) == f"{translation.gettext(jobs.LOST)[:29]}…"
        assert stored("No such <file>, anywhere", 13) == ('<span lang="en">No such &lt;fil…</span>')
