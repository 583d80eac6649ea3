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
