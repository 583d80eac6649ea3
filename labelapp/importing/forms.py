"""A file to be uploaded, and how it is to be read."""

from typing import Any

from django import forms
from django.urls import reverse

from labelapp.importing.importer import UNKNOWN_LABELLER
from labelapp.models import Upload
from training.formats.detect import Beginning
from training.formats.long_table import guess_columns
from training.formats.ranking_file import MAX_NAME

FORMATS = {
    "jsonl": "Ranking JSONL, or an archive of a project",
    "csv": "Table: the prompt, then its responses, best first",
    "long": "Table in long form: a row a response",
    "trl": "TRL pairs: prompt, chosen, rejected",
    "oasst": "Open Assistant trees",
    "parquet": "Parquet, a row a response",
}
DELIMITERS = {"|": "| (bar)", ",": ", (comma)", ";": "; (semicolon)", "\t": "tab"}
TABLES = ("csv", "long")
LONG = ("long", "parquet")
# What a column of a table in long form may be; an export of Podium has more, which are known.
COLUMNS = {
    "prompt": "Prompt",
    "conversation": "Conversation, as JSON",
    "response": "Response",
    "rank": "Rank",
    "ranking": "Ranking it belongs to",
    "labeller": "Labeller",
    "source": "Model that wrote it",
    "prompt_id": "Id of the prompt",
    "response_id": "Id of the response",
}


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
    """How a file is read; what is chosen is looked at before anything is imported.

    `header` are the columns of a table in long form, to say which is what.
    """

    format = forms.ChoiceField(label="Format", choices=FORMATS.items())
    delimiter = forms.ChoiceField(label="Separator", choices=DELIMITERS.items(), required=False)
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

    def __init__(self, *, upload: Upload, begins: Beginning, data: Any = None) -> None:
        super().__init__(data, initial=chosen(upload, begins))
        parquet = begins.format == "parquet"
        self.fields["format"].choices = [  # type: ignore[attr-defined]
            (name, label) for name, label in FORMATS.items() if (name == "parquet") == parquet
        ]
        self.header = begins.columns
        if self["format"].value() in LONG:
            self.add_columns(upload.options.get("columns") or {})
        asks_again = {
            "hx-post": reverse("upload", args=[upload.project.slug, upload.pk]),
            "hx-target": "#reading",
            "hx-swap": "outerHTML",
        }
        for name in ("format", "delimiter", *self.column_names):
            self.fields[name].widget.attrs |= asks_again

    @property
    def column_names(self) -> list[str]:
        return [name for name in self.fields if name.startswith("column-")]

    @property
    def columns(self) -> list[forms.BoundField]:
        return [self[name] for name in self.column_names]

    def add_columns(self, given: dict[str, str]) -> None:
        """A field for each meaning, with the column that was chosen for it, else the likeliest."""
        guessed = guess_columns(self.header)
        choices = [("", "– none –"), *((column, column) for column in self.header)]
        for name, label in COLUMNS.items():
            column = given.get(name, guessed.get(name, ""))
            self.fields[f"column-{name}"] = forms.ChoiceField(
                label=label,
                choices=choices,
                required=False,
                initial=column if column in self.header else "",
            )

    def clean(self) -> dict[str, Any]:
        """A column that another separator has made go is the likeliest again."""
        for name in self.column_names:
            if name in self.errors:
                del self.errors[name]
                self.cleaned_data[name] = self.fields[name].initial
        return self.cleaned_data

    @property
    def is_table(self) -> bool:
        return self["format"].value() in TABLES

    @property
    def options(self) -> dict[str, Any]:
        """What is stored with the upload."""
        given = self.cleaned_data
        asked = [name for name in self.column_names if name in self.data]
        return {
            "delimiter": given["delimiter"] if given["format"] in TABLES else "",
            "rankings": bool(given["rankings"]),
            "labeller": given["labeller"] or UNKNOWN_LABELLER,
            "columns": {name.removeprefix("column-"): given[name] for name in asked},
        }


def chosen(upload: Upload, begins: Beginning) -> dict[str, str]:
    """What is chosen now, as the form's fields."""
    said = upload.options
    labeller = said.get("labeller", UNKNOWN_LABELLER)
    return {
        "format": upload.format,
        "delimiter": said.get("delimiter") or begins.delimiter,
        "rankings": "yes" if said.get("rankings", True) else "",
        "labeller": "" if labeller == UNKNOWN_LABELLER else labeller,
    }
