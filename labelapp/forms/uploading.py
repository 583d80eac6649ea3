"""A file to be uploaded, and how it is to be read."""

from typing import Any

from django import forms
from django.urls import reverse

from labelapp.importing import UNKNOWN_LABELLER
from labelapp.models import Upload
from training.rankingfile import MAX_NAME

FORMATS = {
    "jsonl": "Ranking JSONL",
    "csv": "Table: the prompt, then its responses, best first",
}
DELIMITERS = {"|": "| (bar)", ",": ", (comma)", ";": "; (semicolon)", "\t": "tab"}
TABLES = ("csv",)


class UploadForm(forms.Form):
    file = forms.FileField(
        label="File",
        max_length=255,
        error_messages={
            "required": "Choose a file first.",
            "empty": "The file is empty.",
            "max_length": "The file’s name is longer than 255 characters. Rename it.",
        },
    )


class ReadingForm(forms.Form):
    """How a file is read; what is chosen is looked at before anything is imported."""

    format = forms.ChoiceField(label="Format", choices=FORMATS.items())
    delimiter = forms.ChoiceField(
        label="Between the columns", choices=DELIMITERS.items(), required=False
    )
    rankings = forms.ChoiceField(
        label="What to import",
        choices=[
            ("yes", "Rankings; a line without one becomes a prompt to be ranked here"),
            ("", "Only the prompts, all of them to be ranked here"),
        ],
        required=False,
        widget=forms.RadioSelect,
    )
    labeller = forms.CharField(
        label="Who made the rankings that name nobody",
        max_length=MAX_NAME,
        required=False,
        help_text=f"Empty: {UNKNOWN_LABELLER}.",
    )

    def __init__(self, data: Any = None, *, upload: Upload, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.upload = upload
        for name in ("format", "delimiter"):
            self.fields[name].widget.attrs |= {
                "hx-post": reverse("upload", args=[upload.project.slug, upload.pk]),
                "hx-target": "#reading",
                "hx-swap": "outerHTML",
            }

    @classmethod
    def of(cls, upload: Upload) -> "ReadingForm":
        """The form with what is chosen now."""
        said = upload.options
        labeller = said.get("labeller", UNKNOWN_LABELLER)
        initial = {
            "format": upload.format,
            "delimiter": said.get("delimiter"),
            "rankings": "yes" if said.get("rankings", True) else "",
            "labeller": "" if labeller == UNKNOWN_LABELLER else labeller,
        }
        return cls(upload=upload, initial=initial)

    @property
    def is_table(self) -> bool:
        return self["format"].value() in TABLES

    @property
    def options(self) -> dict[str, Any]:
        """What is stored with the upload."""
        given = self.cleaned_data
        return {
            "delimiter": given["delimiter"] if given["format"] in TABLES else "",
            "rankings": bool(given["rankings"]),
            "labeller": given["labeller"] or UNKNOWN_LABELLER,
        }
