from django import forms

from labelapp.models import Project


class ProjectForm(forms.ModelForm):
    """A new labelling campaign."""

    class Meta:
        model = Project
        fields = [
            "name",
            "slug",
            "guidelines",
            "responses_per_ranking",
            "rankings_per_prompt",
            "ties_allowed",
            "lease_minutes",
        ]

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if slug == "new":  # its page would stand behind the form for new projects
            raise forms.ValidationError("“new” is taken; choose another slug.")
        return slug
