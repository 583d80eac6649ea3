"""What a manager asks of an export."""

from typing import Any

from django import forms

from labelapp.runs.forms import VERDICTS


class ExportForm(forms.Form):
    format = forms.ChoiceField(
        choices=[
            ("jsonl", "Ranking JSONL: all there is to a ranking, and what Podium imports"),
            ("trl", "TRL pairs: prompt, chosen and rejected, one comparison per line"),
            ("nemo", "NeMo K-wise: a line a ranking, all its responses with their ranks"),
            ("csv", "CSV: a row a response of a ranking, for a spreadsheet"),
            ("parquet", "Parquet: the same rows, for pandas and similar tools"),
        ],
        initial="jsonl",
        widget=forms.RadioSelect,
        label="Format",
    )
    verdicts = forms.ChoiceField(
        choices=VERDICTS, required=False, initial="all", label="Which rankings"
    )
    all_versions = forms.BooleanField(
        required=False,
        label="Earlier versions too",
        help_text="Otherwise only each labeller’s latest ranking. As ranking JSONL: an archive, "
        "which gives the same project again.",
    )

    zipped = forms.BooleanField(
        required=False,
        label="Compressed",
        help_text="With gzip; Parquet is compressed as it is.",
    )

    def clean_verdicts(self) -> str:
        return self.cleaned_data["verdicts"] or "all"

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("all_versions") and self.cleaned_data.get("verdicts") != "all":
            self.add_error("all_versions", "Earlier versions go with every ranking: choose that.")
        return self.cleaned_data

    @property
    def options(self) -> dict[str, Any]:
        """What exportfiles.export_file is asked for besides the format."""
        asked = self.cleaned_data.items()
        return {name: value for name, value in asked if name not in ("format", "zipped")}
