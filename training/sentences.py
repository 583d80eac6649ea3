"""English sentences that remember their template and values, so that a page can translate them.

Commands print them as they are. `tests/messages.py` finds the templates in the calls of `sentence`
and `plural_sentence`, so these must be written out there. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Value = str | float  # a Sentence among them is translated as well


class Sentence(str):
    """An English sentence with the template and the values that it was made of.

    `plural` is the template for other counts than one; the value `count` decides.
    """

    template: str
    plural: str
    values: Mapping[str, Value]

    def __new__(cls, template: str, values: Mapping[str, Value], plural: str = "") -> Sentence:
        english = template if not plural or values["count"] == 1 else plural
        shown = {name: v if isinstance(v, str) else f"{v:,}" for name, v in values.items()}
        made = super().__new__(cls, filled(english, shown))
        made.template, made.plural, made.values = template, plural, values
        return made

    def __str__(self) -> str:
        """Return the sentence itself, so that str(error) is still one."""
        return self

    def __getnewargs__(self) -> Any:
        return self.template, self.values, self.plural

    def shortened(self, longest: int) -> Sentence:
        """Return a sentence of at most so many characters before its "…", whose values are cut."""
        values = {name: cut(value, longest) for name, value in self.values.items()}
        made = str.__new__(type(self), f"{self[:longest]}…" if len(self) > longest else self)
        made.template, made.plural, made.values = self.template, self.plural, values
        return made


def cut(value: Value, longest: int) -> Value:
    """Return a value with at most so many characters before its "…"."""
    if isinstance(value, Sentence):
        return value.shortened(longest)
    return f"{value[:longest]}…" if isinstance(value, str) and len(value) > longest else value


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template with its values. A value with a capital in its name begins with one."""
    return template % {
        name: f"{value[:1].upper()}{value[1:]}" if name[0].isupper() else value
        for name, value in values.items()
    }


def sentence(template: str, /, **values: Value) -> Sentence:
    """Return a sentence. Numbers among the values get thousands separators."""
    return Sentence(template, values)


def plural_sentence(one: str, many: str, /, count: int, **values: Value) -> Sentence:
    """Return a sentence in the form for a `count`, which is one of its values."""
    return Sentence(one, {"count": count, **values}, many)


def quoted(said: object) -> Sentence:
    """Return what Python or the operating system says, which is translated where it is known."""
    return said if isinstance(said, Sentence) else Sentence(str(said).replace("%", "%%"), {})


def first_line(error: BaseException) -> Sentence:
    """Return the first line of what an error says, or its type if it says nothing."""
    said = str(error)
    if isinstance(said, Sentence) and "\n" not in said:
        return said
    return quoted((said.strip().splitlines() or [type(error).__name__])[0])


def to_json(text: str) -> Any:
    """Return a sentence as values for JSON, and any other text as it is."""
    if not isinstance(text, Sentence):
        return text
    values = {n: to_json(v) if isinstance(v, str) else v for n, v in text.values.items()}
    plural = {"plural": text.plural} if text.plural else {}
    return {"template": text.template, **plural, "values": values}


def from_json(stored: Any) -> str:
    """Return a sentence, or a text of an earlier version, from the values of `to_json`."""
    if not isinstance(stored, dict):
        return str(stored)
    values = {n: v if is_number(v) else from_json(v) for n, v in stored["values"].items()}
    return Sentence(stored["template"], values, stored.get("plural", ""))


def is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, in the plural where it is due: by default with an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
