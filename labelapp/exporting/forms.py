"""The form to request an export."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labelapp.runs.starting.setting_fields import choices


class ExportForm(forms.Form):
    format = forms.ChoiceField(
        choices=[
            ("jsonl", _("Ranking JSONL: rankings with all details, can be imported again")),
            ("trl", _("TRL pairs: prompt, chosen and rejected, one comparison per line")),
            ("nemo", _("NeMo K-wise: all responses with their ranks, one ranking per line")),
            ("csv", _("CSV: one response per row, for spreadsheets")),
            ("parquet", _("Parquet: one response per row, for pandas and similar tools")),
        ],
        initial="jsonl",
        widget=forms.RadioSelect,
        label=_("Format"),
    )
    aggregation = forms.ChoiceField(
        choices=choices("aggregation"), required=False, initial="all", label=_("Which rankings")
    )
    all_versions = forms.BooleanField(
        required=False,
        label=_("Include earlier versions"),
        help_text=_(
            "Otherwise only each labeller’s latest ranking. Ranking JSONL with earlier versions is "
            "an archive, from which the project can be restored."
        ),
    )
    include_left_out = forms.BooleanField(
        required=False,
        label=_("Include rankings that are left out"),
        help_text=_("For a backup. An import of the file counts them."),
    )
    zipped = forms.BooleanField(
        required=False,
        label=_("Compress with gzip"),
        help_text=_("Parquet files are always compressed."),
    )

    def clean_aggregation(self) -> str:
        return self.cleaned_data["aggregation"] or "all"

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("all_versions") and self.cleaned_data.get("aggregation") != "all":
            message = _("To include earlier versions, choose every ranking.")
            self.add_error("all_versions", message)
        return self.cleaned_data

    @property
    def options(self) -> dict[str, Any]:
        """Return the options of writer.export_file besides the format."""
        values = self.cleaned_data
        options = {name: values[name] for name in ("aggregation", "all_versions")}
        return options | ({"include_left_out": True} if values["include_left_out"] else {})
