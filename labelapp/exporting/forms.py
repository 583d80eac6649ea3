"""The form to request an export."""

from typing import Any

from django import forms

from labelapp.runs.starting.setting_fields import choices


class ExportForm(forms.Form):
    format = forms.ChoiceField(
        choices=[
            ("jsonl", "Ranking JSONL: rankings with all details, can be imported again"),
            ("trl", "TRL pairs: prompt, chosen and rejected, one comparison per line"),
            ("nemo", "NeMo K-wise: all responses with their ranks, one ranking per line"),
            ("csv", "CSV: one response per row, for spreadsheets"),
            ("parquet", "Parquet: one response per row, for pandas and similar tools"),
        ],
        initial="jsonl",
        widget=forms.RadioSelect,
        label="Format",
    )
    aggregation = forms.ChoiceField(
        choices=choices("aggregation"), required=False, initial="all", label="Which rankings"
    )
    all_versions = forms.BooleanField(
        required=False,
        label="Include earlier versions",
        help_text="Otherwise only each labeller’s latest ranking. Ranking JSONL with earlier "
        "versions is an archive, from which the project can be restored.",
    )
    include_left_out = forms.BooleanField(
        required=False,
        label="Include rankings that are left out",
        help_text="For a backup. Whoever reads the file will count them.",
    )
    zipped = forms.BooleanField(
        required=False,
        label="Compress with gzip",
        help_text="Parquet files are always compressed.",
    )

    def clean_aggregation(self) -> str:
        return self.cleaned_data["aggregation"] or "all"

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("all_versions") and self.cleaned_data.get("aggregation") != "all":
            message = "To include earlier versions, choose every ranking."
            self.add_error("all_versions", message)
        return self.cleaned_data

    @property
    def options(self) -> dict[str, Any]:
        """Return the options of writer.export_file besides the format."""
        values = self.cleaned_data
        options = {name: values[name] for name in ("aggregation", "all_versions")}
        return options | ({"include_left_out": True} if values["include_left_out"] else {})
