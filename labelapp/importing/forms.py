"""Forms to upload a file and to choose how it is read."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.urls import reverse

from labelapp.importing.importer import UNKNOWN_LABELLER
from labelapp.importing.upload_file import Preview
from labelapp.models import Upload
from training.formats.lines import AmbiguousError
from training.formats.long_table import guess_columns
from training.formats.opening import ENCODINGS
from training.formats.ranking_file import MAX_NAME

FORMATS = {
    "": "Detected automatically",
    "jsonl": "Prompts with a list of responses, or an archive of a project",
    "trl": "Pairs: a better and a worse response",
    "sides": "Responses side by side, with a verdict or scores",
    "long": "One response per row",
    "csv": "The prompt, then its responses, best first",
    "oasst": "Open Assistant messages",
    "labelstudio": "Label Studio",
    "argilla": "Argilla",
}
OTHERS = {"tie", "both_bad"}  # meanings of a verdict beside the responses
DELIMITERS = {"|": "| (bar)", ",": ", (comma)", ";": "; (semicolon)", "\t": "tab"}
# Fields of a table in long form. Exports of Podium have more columns, recognised by their names.
COLUMNS = {
    "prompt": "Prompt",
    "conversation": "Conversation, as JSON",
    "system": "System message",
    "response": "Response",
    "rank": "Rank (the lowest is the best)",
    "score": "Score",
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


class OptionsForm(forms.Form):
    """The options for reading a file, whichever of them the page showed."""

    format = forms.ChoiceField(label="Format", choices=FORMATS.items(), required=False)
    delimiter = forms.ChoiceField(
        label="Separator",
        choices=[("", "Detected automatically"), *DELIMITERS.items()],
        required=False,
    )
    encoding = forms.ChoiceField(
        label="Encoding",
        choices=[("", "Detected automatically"), *ENCODINGS.items()],
        required=False,
    )
    header = forms.ChoiceField(
        label="First row",
        choices=[("yes", "Names of the columns"), ("no", "Data")],
        required=False,
    )
    higher_is_better = forms.ChoiceField(
        label="Scores",
        choices=[("yes", "The highest is the best"), ("no", "The lowest is the best")],
        required=False,
    )
    ranking_is = forms.ChoiceField(
        label="Numbers of a ranking",
        choices=[
            ("", "Choose…"),
            ("ranks", "The rank of each response"),
            ("order", "The responses in order, best first"),
        ],
        required=False,
    )
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

    @property
    def options(self) -> dict[str, Any]:
        """Return the options to be stored with the upload."""
        values = self.cleaned_data
        return {
            "format": values["format"],
            "delimiter": values["delimiter"],
            "encoding": values["encoding"],
            "header": values["header"] != "no",
            "higher_is_better": values["higher_is_better"] != "no",
            "ranking_is": values["ranking_is"],
            "rankings": bool(values["rankings"]),
            "labeller": values["labeller"] or UNKNOWN_LABELLER,
            "columns": {
                name: self.data[f"column-{name}"]
                for name in COLUMNS
                if f"column-{name}" in self.data and values["format"] in ("", "long")
            },
            "verdicts": {
                name.removeprefix("verdict-"): value
                for name, value in self.data.items()
                if name.startswith("verdict-") and value
            },
        }


class ReadingForm(OptionsForm):
    """The options that matter for a file. The page previews them before anything is imported."""

    def __init__(self, *, upload: Upload, preview: Preview, data: Any = None) -> None:
        super().__init__(data, initial=initial_values(upload, preview))
        self.stored = upload.options
        found = FORMATS.get(preview.format or "unknown", "")
        if found and not self["format"].value():
            choices = {**FORMATS, "": f"Detected: {found[0].lower()}{found[1:]}"}
            cast(forms.ChoiceField, self.fields["format"]).choices = list(choices.items())
        is_table = bool(preview.columns)
        if not preview.delimiter and not (preview.problem and is_table):
            del self.fields["delimiter"]
        if not is_table:
            del self.fields["header"]
        if not preview.has_scores and self.stored.get("higher_is_better", True):
            del self.fields["higher_is_better"]
        question = preview.question
        if not self.stored.get("ranking_is") and (question is None or question.values):
            del self.fields["ranking_is"]
        self.add_verdicts(question)
        shape = self["format"].value() or preview.format
        if is_table and (shape == "long" or (preview.problem and question is None)):
            self.add_columns(preview.columns)
        self.refresh_on_change(upload)

    def refresh_on_change(self, upload: Upload) -> None:
        """Make each choice show the preview again."""
        refreshes = {
            "hx-post": reverse("upload", args=[upload.project.slug, upload.pk]),
            "hx-target": "#reading",
            "hx-swap": "outerHTML",
        }
        for name, field in self.fields.items():
            if name not in ("rankings", "labeller"):
                field.widget.attrs |= refreshes

    @property
    def how(self) -> list[forms.BoundField]:
        """Return the fields that say how the file is read, without its columns."""
        names = ("format", "delimiter", "header", "encoding", "higher_is_better", "ranking_is")
        verdicts = [name for name in self.fields if name.startswith("verdict-")]
        return [self[name] for name in (*verdicts, *names) if name in self.fields]

    @property
    def is_changed(self) -> bool:
        """Return True if somebody has said how the file is read."""
        told = ("format", "delimiter", "encoding", "columns", "verdicts", "ranking_is")
        turned = not (self.stored.get("header", True) and self.stored.get("higher_is_better", True))
        return turned or any(self.stored.get(name) for name in told)

    @property
    def columns(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("column-")]

    def add_columns(self, header: Sequence[str]) -> None:
        """Add a choice of column for each of COLUMNS, with the given or a guessed column."""
        given = self.stored.get("columns") or {}
        guessed = guess_columns(header)
        choices = [("", "– none –"), *((column, column) for column in header if column)]
        for name, label in COLUMNS.items():
            column = given.get(name, guessed.get(name, ""))
            self.fields[f"column-{name}"] = forms.ChoiceField(
                label=label,
                choices=choices,
                required=False,
                initial=column if column in header else "",
            )

    def add_verdicts(self, question: AmbiguousError | None) -> None:
        """Add a choice for each value of a verdict that may mean one response or another."""
        told = self.stored.get("verdicts") or {}
        values = list(question.values) if question is not None else list(told)
        sides = list(question.sides) if question is not None else sorted({*told.values()} - OTHERS)
        choices = [("", "Choose…"), *((side, side) for side in sides),
                   ("tie", "Tie"), ("both_bad", "Both bad")]  # fmt: skip
        for value in dict.fromkeys([*values, *told]):
            self.fields[f"verdict-{value}"] = forms.ChoiceField(
                label=f"Verdict {value} means",
                choices=choices,
                required=False,
                initial=told.get(value, ""),
            )


def initial_values(upload: Upload, preview: Preview) -> dict[str, str]:
    """Return the form's values for the upload's stored options."""
    options = upload.options
    labeller = options.get("labeller", UNKNOWN_LABELLER)
    return {
        "format": options.get("format", ""),
        "delimiter": options.get("delimiter") or preview.delimiter,
        "encoding": options.get("encoding", ""),
        "header": "yes" if options.get("header", True) else "no",
        "higher_is_better": "yes" if options.get("higher_is_better", True) else "no",
        "ranking_is": options.get("ranking_is", ""),
        "rankings": "yes" if options.get("rankings", True) else "",
        "labeller": "" if labeller == UNKNOWN_LABELLER else labeller,
    }
