"""The forms that create a project: step by step, or as a copy of another one."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labelapp.models import Project
from labelapp.models.projects import refuse_reserved
from labelapp.projects.forms.projects import SettingsForm

OVERLAP = 2  # rankings per prompt that a new project suggests: the least that shows agreement
SLUG_TAKEN = _("Another project has this slug. Choose another one.")


class NewProjectForm(SettingsForm):
    """The first step of a new project: its name, and what rarely needs a change."""

    guidelines = None  # type: ignore[assignment]  # a step of its own
    present = None  # type: ignore[assignment]

    class Meta(SettingsForm.Meta):
        fields = [
            "name",
            "slug",
            "responses_per_ranking",
            "rankings_per_prompt",
            "ties_allowed",
            "rank_top",
            "rating_scale",
            "lease_minutes",
            "practice",
        ]
        error_messages = {"slug": {"unique": SLUG_TAKEN}}
        help_texts = {
            **SettingsForm.Meta.help_texts,
            "slug": _(
                "The name in addresses and commands: lowercase letters, digits and hyphens. If you "
                "leave it empty, it is derived from the name."
            ),
            "rankings_per_prompt": _(
                "How many labellers rank each prompt. With 2 or more you see how far they agree, "
                "and whose rankings stand out."
            ),
            "ties_allowed": _("Two equally good responses may share a rank."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["slug"].required = False
        self.fields["name"].widget.attrs["autofocus"] = True
        if self.instance.pk is None:
            self.initial.update(practice=True, rankings_per_prompt=OVERLAP)

    @property
    def columns(self) -> list[str]:
        """Return the columns of a project that this form may change."""
        return [*self.Meta.fields, "flags"]

    @property
    def has_advanced_errors(self) -> bool:
        """Return whether a field that the page folds away has an error."""
        return any(name not in ("name", "rankings_per_prompt") for name in self.errors)


class GuidelinesForm(forms.ModelForm):
    """The guidelines of a new project."""

    guidelines = SettingsForm.base_fields["guidelines"]

    class Meta:
        model = Project
        fields = ["guidelines"]


class DuplicateForm(forms.Form):
    """Ask for the name of a project's copy, and for what it takes over."""

    name = forms.CharField(label=_("Name"), max_length=100)
    slug = forms.SlugField(
        label=_("Slug"),
        required=False,
        max_length=50,
        validators=[refuse_reserved],
        help_text=_(
            "The name in addresses and commands. If you leave it empty, it is derived from "
            "the name."
        ),
    )
    with_members = forms.BooleanField(
        required=False,
        label=_("Copy the members"),
        help_text=_("With their roles. They can open the copy at once."),
    )
    with_prompts = forms.BooleanField(
        required=False,
        label=_("Copy the prompts"),
        help_text=_("With their responses, in the background. They wait to be ranked."),
    )

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if Project.including_hidden.filter(slug=slug).exists():
            raise forms.ValidationError(SLUG_TAKEN)
        return slug
