"""Forms to upload a file and to choose how it is read."""

from typing import Any, cast

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
    "long": "Table in long form: one response per row",
    "trl": "TRL pairs: prompt, chosen, rejected",
    "oasst": "Open Assistant trees",
    "parquet": "Parquet, one response per row",
}
DELIMITERS = {"|": "| (bar)", ",": ", (comma)", ";": "; (semicolon)", "\t": "tab"}
TABLES = ("csv", "long")
LONG = ("long", "parquet")
# Fields of a table in long form. Exports of Podium have more columns, recognised by their names.
COLUMNS = {
    "prompt": "Prompt",
    "conversation": "Conversation, as JSON",
    "response": "Response",
    "rank": "Rank",
    "ranking": "Ranking it belongs to",
    "labeller": "Labeller",
    "source": "Model that wrote it",
    "prompt_id": "Prompt ID",
    "response_id": "Response ID",
}


class UploadForm(forms.Form):
    file = forms.FileField(
        label="File",
        max_length=255,
        error_messages={
            "required": "Choose a file first.",
            "empty": "The file is empty.",
            "max_length": "The file name is longer than 255 characters. Rename the file.",
        },
    )


class ReadingForm(forms.Form):
    """The options for reading a file. The page previews them before anything is imported.

    `header` holds the column names of a table in long form.
    """

    format = forms.ChoiceField(label="Format", choices=FORMATS.items())
    delimiter = forms.ChoiceField(label="Separator", choices=DELIMITERS.items(), required=False)
    rankings = forms.ChoiceField(
        label="What to import",
        choices=[
            ("yes", "Rankings. Lines without one become prompts to be ranked here"),
            ("", "Only the prompts, to be ranked here"),
        ],
        required=False,
        widget=forms.RadioSelect,
    )
    labeller = forms.CharField(
        label="Labeller of rankings without a name",
        max_length=MAX_NAME,
        required=False,
        help_text=f"If empty: {UNKNOWN_LABELLER}.",
    )

    def __init__(self, *, upload: Upload, begins: Beginning, data: Any = None) -> None:
        super().__init__(data, initial=initial_values(upload, begins))
        parquet = begins.format == "parquet"
        cast(forms.ChoiceField, self.fields["format"]).choices = [
            (name, label) for name, label in FORMATS.items() if (name == "parquet") == parquet
        ]
        self.header = begins.columns
        if self["format"].value() in LONG:
            self.add_columns(upload.options.get("columns") or {})
        refreshes = {
            "hx-post": reverse("upload", args=[upload.project.slug, upload.pk]),
            "hx-target": "#reading",
            "hx-swap": "outerHTML",
        }
        for name in ("format", "delimiter", *self.column_names):
            self.fields[name].widget.attrs |= refreshes

    @property
    def column_names(self) -> list[str]:
        return [name for name in self.fields if name.startswith("column-")]

    @property
    def columns(self) -> list[forms.BoundField]:
        return [self[name] for name in self.column_names]

    def add_columns(self, given: dict[str, str]) -> None:
        """Add a choice of column for each of COLUMNS, with the `given` or a guessed column."""
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
        """Replace columns that a new separator has removed by the guessed ones."""
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
        """Return the options to be stored with the upload."""
        values = self.cleaned_data
        posted = [name for name in self.column_names if name in self.data]
        return {
            "delimiter": values["delimiter"] if values["format"] in TABLES else "",
            "rankings": bool(values["rankings"]),
            "labeller": values["labeller"] or UNKNOWN_LABELLER,
            "columns": {name.removeprefix("column-"): values[name] for name in posted},
        }


def initial_values(upload: Upload, begins: Beginning) -> dict[str, str]:
    """Return the form's values for the upload's stored options."""
    options = upload.options
    labeller = options.get("labeller", UNKNOWN_LABELLER)
    return {
        "format": upload.format,
        "delimiter": options.get("delimiter") or begins.delimiter,
        "rankings": "yes" if options.get("rankings", True) else "",
        "labeller": "" if labeller == UNKNOWN_LABELLER else labeller,
    }
