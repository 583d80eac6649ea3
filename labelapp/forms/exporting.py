"""What a manager asks of an export."""

from django import forms


class ExportForm(forms.Form):
    format = forms.ChoiceField(
        choices=[
            ("jsonl", "Ranking JSONL: all there is to a ranking, and what Podium imports"),
            ("trl", "TRL pairs: prompt, chosen and rejected, a line a comparison"),
            ("nemo", "NeMo K-wise: a line a ranking, all its responses with their ranks"),
            ("csv", "CSV: a row a response of a ranking, for a spreadsheet"),
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
