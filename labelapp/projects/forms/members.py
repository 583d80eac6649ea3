"""The form to change a member's role."""

from django import forms
from django.utils.translation import gettext_lazy as _

from labelapp.models import Role


class RoleForm(forms.Form):
    shown = forms.ChoiceField(choices=Role.choices, required=False)  # the role before the change
    role = forms.ChoiceField(
        choices=Role.choices,
        error_messages={
            "required": _("Choose a role."),
            "invalid_choice": _("“%(value)s” is not a role. Choose labeller, reviewer or manager."),
        },
    )
