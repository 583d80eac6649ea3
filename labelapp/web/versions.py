"""Forms that notice if the values they show have changed since their page was opened."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext


@dataclass(frozen=True)
class Difference:
    """A field whose stored value is not the one that was posted."""

    label: str
    stored: str
    posted: str

    @property
    def is_long(self) -> bool:
        """Return whether the values may need to be scrolled, and so to be reached by keyboard."""
        return len(self.stored) + len(self.posted) > 200


class VersionedForm(forms.BaseForm):
    """A form of stored values, which carries a hash of those that its page has shown.

    Its page posts `version`. If the stored values have changed since, `is_stale` is true and the
    form must not be saved. Its page then shows the `differences` and the current version, with
    which the user can still save the posted values on purpose. A form that is posted without a
    version is never stale. Read the stored values in the transaction that saves the new ones, with
    a lock.
    """

    @property
    def version(self) -> str:
        """Return a hash of the stored values."""
        stored = {name: self.stored(name) for name in self.fields if name not in self.unversioned}
        text = DjangoJSONEncoder(sort_keys=True, default=str).encode(stored)
        return salted_hmac("labelapp.web.versions", text, algorithm="sha256").hexdigest()

    unversioned: frozenset[str] = frozenset()  # fields that change without anybody's editing

    def stored(self, name: str) -> Any:
        value = self.get_initial_for_field(self.fields[name], name)
        return value if isinstance(value, str | int | float | bool | None) else str(value)

    @property
    def is_stale(self) -> bool:
        """Return whether a stored value has changed since the page was opened."""
        posted = self.data.get("version", "") if self.is_bound else ""
        return bool(posted) and posted != self.version

    def differences(self) -> Iterator[Difference]:
        """Yield the fields whose posted value differs from the stored one."""
        for name, field in self.fields.items():
            posted, stored = self[name].data, self.get_initial_for_field(field, name)
            if name not in self.unversioned and field.has_changed(stored, posted):
                values = shown(field, stored), shown(field, posted)
                if values[0] != values[1]:  # browsers end lines in their own way
                    yield Difference(str(self[name].label), *values)


def shown(field: forms.Field, value: Any) -> str:
    """Return the value of a field as its page shows it."""
    if isinstance(field, forms.BooleanField):
        return gettext("yes") if field.to_python(value) else gettext("no")
    if isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField):
        choices: Any = field.choices
        names = {str(key): str(label) for key, label in choices}
        return names.get(str(value), str(value))
    text = field.prepare_value(value) if value is not None else ""
    return str(text).replace("\r\n", "\n")
