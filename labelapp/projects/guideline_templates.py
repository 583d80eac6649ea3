"""Guidelines to begin with: templates for the usual kinds of campaigns."""

from dataclasses import dataclass
from pathlib import Path

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

FOLDER = Path(__file__).parent / "guidelines"


@dataclass(frozen=True)
class GuidelineTemplate:
    """Guidelines that a manager can begin with."""

    name: str
    title: str | Promise
    summary: str | Promise
    text: str  # Markdown


def template(name: str, title: str | Promise, summary: str | Promise) -> GuidelineTemplate:
    path = FOLDER / f"{name}.md"
    return GuidelineTemplate(name, title, summary, path.read_text(encoding="utf-8").strip())


TEMPLATES = [
    template(
        "helpfulness",
        _("Helpfulness"),
        _("Which response helps the person most? For assistants of all kinds."),
    ),
    template("harmlessness", _("Harmlessness"), _("Which response is safest to show to anyone?")),
    template(
        "factual-accuracy", _("Factual accuracy"), _("Which response is true, and can be checked?")
    ),
    template("writing", _("Writing"), _("Which text would an editor publish?")),
    template("code", _("Code"), _("Which solution would you merge?")),
    GuidelineTemplate("blank", _("Blank"), _("Write your own from the start."), ""),
]
BY_NAME = {each.name: each for each in TEMPLATES}


def begin_with(name: str, written: str) -> str:
    """Return the guidelines after a template was chosen, given what is written so far.

    A text of the manager's own is never lost: the template is put below it.
    """
    own = "\n".join(written.split("\r\n")).strip()
    chosen = BY_NAME[name].text if name in BY_NAME else own
    if not own or own == chosen or any(own == each.text for each in TEMPLATES):
        return chosen
    return f"{own}\n\n{chosen}".strip()
