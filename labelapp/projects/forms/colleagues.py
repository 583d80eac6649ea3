"""The form to add people to a project who have an account."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from labelapp.models import Role, User


class ColleaguesForm(forms.Form):
    """People of the user's other projects, and the role that they get."""

    users = forms.ModelMultipleChoiceField(
        queryset=User.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        label=_("People of your other projects"),
        error_messages={"required": _("Choose at least one person.")},
    )
    added_role = forms.ChoiceField(
        choices=Role.choices, initial=Role.LABELLER, label=_("They are added as")
    )

    def __init__(self, *args: Any, users: QuerySet[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["users"].queryset = users  # type: ignore[attr-defined]
