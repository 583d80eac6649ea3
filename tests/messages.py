"""Find the sentences of templates, Python and scripts, and bring the catalogues up to date.

    python -m tests.messages

What Django's `makemessages` does, without GNU gettext: Django turns templates into Python, and
Babel reads Python and JavaScript.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

from labelapp.runs.starting.setting_fields import setting_texts

ROOT = Path(__file__).resolve().parent.parent
LOCALES = ROOT / "labelapp" / "locale"
DOMAINS = ["django", "djangojs"]
COMPLETE = {"de"}  # languages of every page
FUNCTIONS: dict[str, Any] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
    "sentence": None,  # of training/sentences.py
    "plural_sentence": (1, 2),
}

# What labellers come across; the other templates and modules are of a lead's pages, which only the
# complete languages have.
TEMPLATES = [
    *("_account", "_appearance", "_as_written", "_field", "_form", "_header", "_language"),
    *(
        "_links",
        "_pages",
        "_text",
        "base",
        "400",
        "403",
        "403_csrf",
        "404",
        "429",
        "500",
        "503",
        "plain",
    ),
    *("overview/labeller", "overview/_next_step"),
    *("projects/index", "projects/_switcher", "projects/_archived", "projects/sign_in"),
    "projects/_join",
    *("projects/account", "projects/reset_password"),
    *("projects/invitations/join", "projects/invitations/refused"),
]
ROOMS = ["labelling", "notifications", "palette"]
OF_MANAGERS = ("webhook", "posting", "own.", "own_views", "controls")  # in these rooms
MODULES = [
    *("projects/forms/accounts", "projects/views/accounts", "projects/views/invitations"),
    *("projects/invitations", "projects/accounts"),
    "models/assignments",
]

Found = tuple[str | tuple[str, ...], str | None]  # a message or its plural forms, and its context


def messages_in(path: Path) -> Iterator[Found]:
    """Yield the messages of a template, a Python file or a script."""
    if path.suffix == ".html":
        # In brackets, because the lines of a template are not indented as Python's are.
        source, language = f"({templatize(path.read_text('utf-8'))}\n)".encode(), "python"
    else:
        source, language = path.read_bytes(), "javascript" if path.suffix == ".js" else "python"
    for _, message, _, context in extract(language, BytesIO(source), FUNCTIONS):
        yield message, context


def sources(domain: str) -> list[Path]:
    """Return the files whose messages are in the catalogue of a domain."""
    if domain == "djangojs":
        return sorted((ROOT / "static" / "js").rglob("*.js"))
    python = [path for room in ("labelapp", "training") for path in (ROOT / room).rglob("*.py")]
    own = [path for path in python if not {"migrations", "management"} & set(path.parts)]
    return sorted((ROOT / "templates").rglob("*.html")) + sorted(own)


def labellers_sources(domain: str) -> list[Path]:
    """Return those of the files that say what is on a labeller's pages."""
    if domain == "djangojs":
        templates = [path for path in labellers_sources("django") if path.suffix == ".html"]
        found = scripts_of(templates)
    else:
        found = {ROOT / "templates" / f"{name}.html" for name in TEMPLATES}
        found |= {ROOT / "labelapp" / f"{name}.py" for name in MODULES}
        found.update((ROOT / "labelapp" / "web").glob("*.py"))
        for room in ROOMS:
            files = [*(ROOT / "templates" / room).rglob("*.html")]
            files += (ROOT / "labelapp" / room).rglob("*.py")
            found.update(path for path in files if not path.name.startswith(OF_MANAGERS))
    return [path for path in sources(domain) if path in found]


def scripts_of(templates: Iterable[Path]) -> set[Path]:
    """Return the scripts that templates load, and those that these import."""
    scripts = ROOT / "static" / "js"
    loaded = (re.findall(r"static 'js/(.+?)'", path.read_text("utf-8")) for path in templates)
    waiting = [scripts / name for names in loaded for name in names]
    found: set[Path] = set()
    while waiting:
        script = waiting.pop()
        if script not in found:
            found.add(script)
            imported = re.findall(r'(?:from|import) "(\..+?)"', script.read_text("utf-8"))
            waiting += [(script.parent / name).resolve() for name in imported]
    return found


def messages_of(domain: str, language: str = "") -> Catalog:
    """Return every message of a domain, or those that a language has, in the order of the files."""
    is_complete = not language or language in COMPLETE
    catalog = Catalog(charset="utf-8")
    for path in sources(domain) if is_complete else labellers_sources(domain):
        for message, context in messages_in(path):
            catalog.add(message, context=context)
    if domain == "django" and is_complete:
        for text in setting_texts():
            catalog.add(text, context="setting")
    return catalog


def read(language: str, domain: str) -> Catalog:
    """Return the catalogue of a language, whose name is that of its folder."""
    with open(LOCALES / language / "LC_MESSAGES" / f"{domain}.po", "rb") as file:
        return read_po(file, locale=language)


def languages() -> list[str]:
    return sorted(path.name for path in LOCALES.iterdir() if path.is_dir())


def update(language: str, domain: str) -> int:
    """Add new messages to a catalogue, drop those that are gone, and compile it.

    Return the number of messages that have no translation.
    """
    path = LOCALES / language / "LC_MESSAGES" / f"{domain}.po"
    header, _, _ = path.read_text("utf-8").partition("\n\n")  # without dates, which would change
    catalog = read(language, domain)
    catalog.update(messages_of(domain, language), no_fuzzy_matching=True)
    written = BytesIO()
    write_po(written, catalog, width=0, omit_header=True, ignore_obsolete=True)
    path.write_text(f"{header}\n\n{written.getvalue().decode().strip()}\n", "utf-8")
    catalog = translated(read(language, domain))
    catalog.creation_date = catalog.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    with open(path.with_suffix(".mo"), "wb") as file:
        write_mo(file, catalog)
    return len(read(language, domain)) - len(catalog)


def translated(catalog: Catalog) -> Catalog:
    """Return the catalogue without the messages that have no translation."""
    for message in list(catalog):
        if message.id and not all(forms(message.string)):
            catalog.delete(message.id, message.context)
    return catalog


def forms(text: str | list[str] | tuple[str, ...] | None) -> list[str]:
    """Return the plural forms of a text, or the text alone."""
    return [text or ""] if isinstance(text, str | None) else list(text)


if __name__ == "__main__":
    for each in languages():
        for one in DOMAINS:
            print(f"{each} {one}: {update(each, one)} without a translation")
