"""The form in which people choose what they are told, and how."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.db import transaction
from django.forms import BoundField
from django.utils.translation import gettext_lazy as _

from labelapp.models import READERS, Kind, Mail, Member, NotificationChoice, Role, User
from labelapp.notifications.wording import KINDS

MAILS = [
    (Mail.NEVER, _("no mail")),
    (Mail.AT_ONCE, _("at once")),
    (Mail.DAILY, _("once a day")),
]


def kinds_for(user: User) -> list[Kind]:
    """Return the kinds of notification that a user may get by their roles in their projects."""
    if user.is_superuser:
        return list(Kind)
    roles = set(Member.objects.filter(user=user, is_active=True).values_list("role", flat=True))
    return [kind for kind in Kind if READERS[kind] & {Role(role) for role in roles}]


class ChoiceForm(forms.Form):
    """An address, and for each kind whether it is shown in the page and mailed."""

    email = forms.EmailField(required=False, label=_("E-mail address"), max_length=254)

    def __init__(self, user: User, data: Any = None, *, has_mail: bool) -> None:
        self.user, self.kinds, self.has_mail = user, kinds_for(user), has_mail
        super().__init__(data, initial={"email": user.email})
        self.fields["email"].widget.attrs["autocomplete"] = "email"
        if not has_mail:
            del self.fields["email"]
        saved = {choice.kind: choice for choice in user.notification_choices.all()}
        for kind in self.kinds:
            choice = saved.get(kind, NotificationChoice(kind=kind))
            self.fields[f"page-{kind}"] = forms.BooleanField(
                required=False, initial=choice.in_page, label=_("In the page")
            )
            if has_mail:
                self.fields[f"mail-{kind}"] = forms.ChoiceField(
                    choices=MAILS, initial=choice.mail, label=_("By mail")
                )

    def rows(self) -> Iterator[tuple[Any, BoundField, BoundField | None]]:
        """Yield the label and the fields of each kind."""
        for kind in self.kinds:
            mail = self[f"mail-{kind}"] if self.has_mail else None
            yield KINDS[kind], self[f"page-{kind}"], mail

    def clean(self) -> dict[str, Any]:
        entered = self.cleaned_data
        mails = [entered.get(f"mail-{kind}", Mail.NEVER) for kind in self.kinds]
        wants_mail = any(mail != Mail.NEVER for mail in mails)
        if self.has_mail and wants_mail and not entered.get("email") and not self.errors:
            self.add_error("email", _("Enter the address to which the mails are sent."))
        return entered

    @transaction.atomic
    def save(self) -> None:
        entered = self.cleaned_data
        if self.has_mail:
            self.user.email = entered["email"]
            self.user.save(update_fields=["email"])
        for kind in self.kinds:
            values = {"in_page": entered[f"page-{kind}"]}
            if self.has_mail:
                values["mail"] = entered[f"mail-{kind}"]
            NotificationChoice.objects.update_or_create(user=self.user, kind=kind, defaults=values)
