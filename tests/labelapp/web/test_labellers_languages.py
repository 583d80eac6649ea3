"""The languages that a labeller's pages have, and the others not: no sentence of theirs is missing.

Every page in them is read from right to left where the language is, and pages of managers stay
whole in English.
"""

import re

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo
from django.test import Client
from django.utils import timezone, translation
from django.utils.translation import ngettext

from labelapp.models import Member, Project
from tests.conftest import AddPrompt, sign_in
from tests.messages import (
    DOMAINS,
    LOCALES,
    MODULES,
    ROOT,
    TEMPLATES,
    forms,
    labellers_sources,
    messages_in,
    read,
)

LANGUAGES = {"zh-hans": "zh_Hans", "ar": "ar"}


def sentences(domain: str) -> set[tuple[str, str | None]]:
    """Return the sentences of a labeller's pages, the first form of each, with their contexts."""
    return {
        (forms(message)[0], context)
        for path in labellers_sources(domain)
        for message, context in messages_in(path)
    }


def contents(messages: Catalog) -> dict[tuple[str, str | None], list[str]]:
    """Return the translations of a catalogue by their sentence and its context."""
    found = {}
    for message in messages:
        context = message.context
        context = context.decode() if isinstance(context, bytes) else context
        if message.id and all(forms(message.string)):
            found[forms(message.id)[0], context] = forms(message.string)
    return found


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_of_a_labellers_pages_is_missing(language: str, domain: str) -> None:
    translated = {
        (forms(message.id)[0], message.context)
        for message in read(LANGUAGES[language], domain)
        if message.id and not message.fuzzy and all(forms(message.string))
    }
    said = sentences(domain)
    assert len(said) > 30
    assert sorted(said - translated, key=str) == []


def test_a_labellers_pages_are_translated_with_all_that_they_include() -> None:
    listed = labellers_sources("django")
    assert {ROOT / "templates" / f"{name}.html" for name in TEMPLATES} <= set(listed)
    assert {ROOT / "labelapp" / f"{name}.py" for name in MODULES} <= set(listed)
    found = {path for path in listed if path.suffix == ".html"}
    for path in found:
        for name in re.findall(r'{% (?:include|extends) "(.+?)"', path.read_text("utf-8")):
            assert ROOT / "templates" / name in found, path


def test_scripts_of_managers_are_not_a_labellers() -> None:
    names = {path.name for path in labellers_sources("djangojs")}
    assert {"requests.js", "written.js", "rail.js"} <= names
    assert not {"charts.js", "copy.js", "importing.js", "reviewing.js", "runs.js"} & names


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_the_names_and_the_markup(language: str, domain: str) -> None:
    parts = r"%\(\w+\)s|{\w+}|<[^>]+>"
    for message in filter(lambda message: message.id, read(LANGUAGES[language], domain)):
        known = set(re.findall(parts, " ".join(forms(message.id))))
        for string in filter(None, forms(message.string)):
            used = set(re.findall(parts, string))
            assert used <= known, message.id
            # A form for one, two or none may say the number as a word.
            if len(forms(message.string)) == 1:
                assert used == known, message.id


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_written(language: str, domain: str) -> None:
    path = LOCALES / LANGUAGES[language] / "LC_MESSAGES" / f"{domain}.mo"
    with open(path, "rb") as file:
        compiled = contents(read_mo(file))
    assert compiled == contents(read(LANGUAGES[language], domain))


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "لا كلمات"),
        (1, "كلمة واحدة"),
        (2, "كلمتان"),
        (3, "%(words)s كلمات"),
        (11, "%(words)s كلمة"),
        (100, "%(words)s كلمة"),
        (103, "%(words)s كلمات"),
    ],
)
def test_arabic_counts_in_six_forms(number: int, said: str) -> None:
    with translation.override("ar"):
        assert ngettext("%(words)s word", "%(words)s words", number) == said


@pytest.fixture
def visited(add_prompt: AddPrompt, labeller: Member) -> tuple[str, ...]:
    add_prompt()
    return (
        *("/", "/projects/kitchen/", "/projects/kitchen/labelling/", "/projects/kitchen/my-work/"),
        *("/account/", "/notifications/", "/notifications/settings/", "/projects/kitchen/find/"),
        *("/projects/attic/", "/projects/kitchen/my-work/?skipped=1"),
    )


@pytest.mark.parametrize(
    ("language", "begins"),
    [("ar", '<html lang="ar" dir="rtl">'), ("zh-hans", '<html lang="zh-hans">')],
)
def test_a_labellers_pages_are_in_their_language(
    client: Client, labeller: Member, visited: tuple[str, ...], language: str, begins: str
) -> None:
    asked = {"HTTP_ACCEPT_LANGUAGE": language}
    own = sign_in(labeller)
    for url in visited:
        page = own.get(url, **asked).content.decode()
        assert begins in page, url
        assert "Skip to the page" not in page
    assert begins in client.get("/sign-in/", **asked).content.decode()
    assert begins in client.get("/join/1.forged/", **asked).content.decode()


@pytest.mark.parametrize(("language", "said"), [("ar", "أُرشف هذا المشروع"), ("zh-hans", "归档")])
def test_an_archived_project_says_so_in_a_labellers_language(
    labeller: Member, add_prompt: AddPrompt, language: str, said: str
) -> None:
    add_prompt()
    Project.objects.update(archived_at=timezone.now())
    own = sign_in(labeller)
    for url in ("", "my-work/"):
        page = own.get(f"/projects/kitchen/{url}", HTTP_ACCEPT_LANGUAGE=language).content.decode()
        assert said in page, url
        assert "This project was archived" not in page, url


@pytest.mark.parametrize(
    ("language", "said"),
    [("ar", "لا شيء هنا يطابق «soup»."), ("zh-hans", "没有与“soup”匹配的内容。")],
)
def test_my_work_is_searched_in_a_labellers_language(
    labeller: Member, add_prompt: AddPrompt, language: str, said: str
) -> None:
    add_prompt()
    url = "/projects/kitchen/my-work/?q=soup"
    page = sign_in(labeller).get(url, HTTP_ACCEPT_LANGUAGE=language).content.decode()
    assert said in page
    assert "Clear the search" not in page


def test_a_leads_pages_are_whole_in_english(manager: Member, add_prompt: AddPrompt) -> None:
    add_prompt()
    own = sign_in(manager)
    for url in ("", "live/", "people/", "prompts/"):
        page = own.get(f"/projects/kitchen/{url}", HTTP_ACCEPT_LANGUAGE="ar").content.decode()
        assert 'dir="rtl"' not in page
        assert not re.search(r"[\u0600-\u06ff]", page.replace("العربية", "")), url
    page = own.get("/projects/kitchen/", HTTP_ACCEPT_LANGUAGE="ar").content.decode()
    assert '<html lang="en">' in page
    assert "This page is only in English." in page


@pytest.mark.django_db
def test_every_language_is_offered_by_its_own_name(client: Client) -> None:
    page = client.get("/sign-in/").content.decode()
    for name in ("English", "Deutsch", "简体中文", "العربية"):
        assert re.search(rf'<button name="language"[^>]*>{name}</button>', page), name


def test_names_of_others_keep_their_direction(labeller: Member, add_prompt: AddPrompt) -> None:
    add_prompt()
    Project.objects.update(flags=["Rude"])
    page = (
        sign_in(labeller)
        .get("/projects/kitchen/labelling/", HTTP_ACCEPT_LANGUAGE="ar")
        .content.decode()
    )
    assert "<bdi>Rude</bdi>" in page
    assert '<textarea id="note-text" dir="auto"' in page
