"""What a manager asks of an export."""

from typing import Any

from django import forms


class ExportForm(forms.Form):
    format = forms.ChoiceField(
        choices=[
            ("jsonl", "Ranking JSONL: all there is to a ranking, and what Podium imports"),
            ("trl", "TRL pairs: prompt, chosen and rejected, a line a comparison"),
            ("nemo", "NeMo K-wise: a line a ranking, all its responses with their ranks"),
            ("csv", "CSV: a row a response of a ranking, for a spreadsheet"),
            ("parquet", "Parquet: the same rows, for pandas and its like"),
        ],
        initial="jsonl",
        widget=forms.RadioSelect,
        label="Format",
    )
    all_versions = forms.BooleanField(
        required=False,
        label="Earlier versions too",
        help_text="Else only what each labeller says now. As ranking JSONL: an archive, which "
        "gives the same project again.",
    )
    zipped = forms.BooleanField(
        required=False,
        label="Compressed",
        help_text="With gzip; Parquet is compressed as it is.",
    )

    @property
    def options(self) -> dict[str, Any]:
        """What exportfiles.export_file is asked for besides the format."""
        asked = self.cleaned_data.items()
        return {name: value for name, value in asked if name not in ("format", "zipped")}
