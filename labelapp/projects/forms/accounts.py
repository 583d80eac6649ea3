"""The forms to sign in, to create an account, and to change one's password."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate, password_validation
from django.contrib.auth.forms import (
    AuthenticationForm,
    BaseUserCreationForm,
    PasswordChangeForm,
    SetPasswordForm,
)
from django.contrib.auth.password_validation import MinimumLengthValidator
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from labelapp.models import User
from labelapp.projects.accounts import is_taken
from labelapp.web.signin import TooManyAttemptsError

NOT_FREE = gettext_lazy(
    "This name can’t be used, because it is taken or looks like another one. Choose a different "
    "name, or sign in if you already have an account."
)


def wait_message(seconds: int) -> str:
    """Return how long somebody has to wait who has tried too many passwords."""
    if seconds > 90:
        minutes = -(-seconds // 60)
        return _("Too many attempts have failed. Try again in %(minutes)s minutes.") % {
            "minutes": minutes
        }
    return ngettext(
        "Too many attempts have failed. Try again in %(seconds)s second.",
        "Too many attempts have failed. Try again in %(seconds)s seconds.",
        seconds,
    ) % {"seconds": seconds}


def password_help() -> str:
    """Return what a new password has to be, with the length that the settings ask for."""
    validators = password_validation.get_default_password_validators()
    length = max(v.min_length for v in validators if isinstance(v, MinimumLengthValidator))
    return _(
        "At least %(length)s characters, not only digits, and not a common password. A few words "
        "are easy to remember."
    ) % {"length": length}


class SignInForm(AuthenticationForm):
    """A name and a password. `wait` is set if too many attempts have failed."""

    wait = 0  # seconds

    def clean(self) -> dict[str, Any]:
        try:
            return super().clean()
        except TooManyAttemptsError as error:
            self.wait = error.seconds
            raise forms.ValidationError(wait_message(error.seconds)) from error


class AccountForm(BaseUserCreationForm):
    """Create an account with a name and a password.

    Names that are not free are refused only if everything else is valid, so that looking for the
    names of others costs an account each time.
    """

    class Meta(BaseUserCreationForm.Meta):
        model = User

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].help_text = _("Letters, digits and @ . + - _")
        self.fields["password1"].help_text = password_help()
        self.fields["password2"].label = _("Password again")
        self.fields["password2"].help_text = ""

    def validate_unique(self) -> None:
        """Leave it to refuse_taken_name, which also refuses names that look alike."""

    def full_clean(self) -> None:
        super().full_clean()
        if self.is_bound and not self.errors and is_taken(self.cleaned_data["username"]):
            self.refuse_taken_name()

    def refuse_taken_name(self) -> None:
        self.add_error("username", NOT_FREE)


class PasswordForm(PasswordChangeForm):
    """Change one's own password. `wait` is set if too many present passwords were wrong."""

    wait = 0  # seconds

    def __init__(self, request: HttpRequest, user: User, data: Any) -> None:
        super().__init__(user, data)
        self.request = request
        self.fields["old_password"].label = _("Current password")
        self.fields["new_password1"].label = _("New password")
        self.fields["new_password1"].help_text = password_help()
        self.fields["new_password2"].label = _("New password again")
        self.fields["new_password2"].help_text = ""

    def clean_old_password(self) -> str:
        """Check the present password as a sign-in: somebody may have found an open browser."""
        password: str = self.cleaned_data["old_password"]
        try:
            user = authenticate(self.request, username=self.user.username, password=password)
        except TooManyAttemptsError as error:
            self.wait = error.seconds
            raise forms.ValidationError(wait_message(error.seconds)) from error
        if user != self.user:
            raise forms.ValidationError(self.error_messages["password_incorrect"])
        return password


class NewPasswordForm(SetPasswordForm):
    """Set a new password without the present one, which is forgotten."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password1"].label = _("New password")
        self.fields["new_password1"].help_text = password_help()
        self.fields["new_password2"].label = _("New password again")
        self.fields["new_password2"].help_text = ""
