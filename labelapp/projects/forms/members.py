"""The form to change a member's role."""

from django import forms

from labelapp.models import Role


class RoleForm(forms.Form):
    shown = forms.ChoiceField(choices=Role.choices, required=False)  # the role before the change
    role = forms.ChoiceField(
        choices=Role.choices,
        error_messages={
            "required": "Choose a role.",
            "invalid_choice": "“%(value)s” is not a role. Choose labeller, reviewer or manager.",
        },
    )
