"""Forms to upload a file and to choose how it is read."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from labelapp.importing.importer import UNKNOWN_LABELLER
from labelapp.importing.upload_file import Preview
from labelapp.models import Upload
from training.formats.lines import AmbiguousError
from training.formats.long_table import guess_columns
from training.formats.opening import ENCODINGS
from training.formats.ranking_file import MAX_NAME

FORMATS = {
    "": _("Detected automatically"),
    "jsonl": _("Prompts with a list of responses, or an archive of a project"),
    "trl": _("Pairs: a better and a worse response"),
    "sides": _("Responses side by side, with a verdict or scores"),
    "long": _("One response per row"),
    "csv": _("The prompt, then its responses, best first"),
    "oasst": _("Open Assistant messages"),
    "labelstudio": "Label Studio",
    "argilla": "Argilla",
}
OTHERS = {"tie", "both_bad"}  # meanings of a verdict beside the responses
DELIMITERS = {"|": _("| (bar)"), ",": _(", (comma)"), ";": _("; (semicolon)"), "\t": _("tab")}
# Fields of a table in long form. Exports of Podium have more columns, recognised by their names.
COLUMNS = {
    "prompt": _("Prompt"),
    "conversation": _("Conversation, as JSON"),
    "system": _("System message"),
    "response": _("Response"),
    "rank": _("Rank (the lowest is the best)"),
    "score": _("Score"),
    "ranking": _("Ranking it belongs to"),
    "labeller": _("Labeller"),
    "source": _("Model that wrote it"),
    "prompt_id": _("Prompt ID"),
    "response_id": _("Response ID"),
}


class UploadForm(forms.Form):
    file = forms.FileField(
        label=_("File"),
        max_length=255,
        error_messages={
            "required": _("Choose a file first."),
            "empty": _("The file is empty."),
            "max_length": _("The file name is longer than 255 characters. Rename the file."),
        },
    )


class OptionsForm(forms.Form):
    """The options for reading a file, whichever of them the page showed."""

    format = forms.ChoiceField(label=_("Format"), choices=FORMATS.items(), required=False)
    delimiter = forms.ChoiceField(
        label=_("Separator"),
        choices=[("", _("Detected automatically")), *DELIMITERS.items()],
        required=False,
    )
    encoding = forms.ChoiceField(
        label=_("Encoding"),
        choices=[("", _("Detected automatically")), *ENCODINGS.items()],
        required=False,
    )
    header = forms.ChoiceField(
        label=_("First row"),
        choices=[("yes", _("Names of the columns")), ("no", _("Data"))],
        required=False,
    )
    higher_is_better = forms.ChoiceField(
        label=_("Scores"),
        choices=[("yes", _("The highest is the best")), ("no", _("The lowest is the best"))],
        required=False,
    )
    ranking_is = forms.ChoiceField(
        label=_("Numbers of a ranking"),
        choices=[
            ("", _("Choose…")),
            ("ranks", _("The rank of each response")),
            ("order", _("The responses in order, best first")),
        ],
        required=False,
    )
    rankings = forms.ChoiceField(
        label=_("What to import"),
        choices=[
            ("yes", _("Rankings. Lines without one become prompts to be ranked here")),
            ("", _("Only the prompts, to be ranked here")),
        ],
        required=False,
        widget=forms.RadioSelect,
    )
    labeller = forms.CharField(
        label=_("Labeller of rankings without a name"),
        max_length=MAX_NAME,
        required=False,
        help_text=format_lazy(_("If empty: {name}."), name=UNKNOWN_LABELLER),
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
        self.preview = preview
        found = FORMATS.get(preview.format or "unknown", "")
        if found and not self["format"].value():
            detected = gettext("Detected: %(format)s") % {"format": found}
            choices = {**FORMATS, "": detected}
            cast(forms.ChoiceField, self.fields["format"]).choices = list(choices.items())
        is_table = bool(preview.columns)
        if not preview.delimiter and not (preview.problem and is_table):
            del self.fields["delimiter"]
        if not is_table:
            del self.fields["header"]
        if not preview.has_scores and self.stored.get("higher_is_better", True):
            del self.fields["higher_is_better"]
        if self["rankings"].value() and not preview.may_need_a_labeller:
            del self.fields["labeller"]
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
    def has_no_rankings(self) -> bool:
        """Return True if rankings would be imported, and none is found in the preview."""
        return self.preview.has_no_rankings and self.stored.get("rankings", True)

    @property
    def columns(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("column-")]

    def add_columns(self, header: Sequence[str]) -> None:
        """Add a choice of column for each of COLUMNS, with the given or a guessed column."""
        given = self.stored.get("columns") or {}
        guessed = guess_columns(header)
        choices = [("", _("– none –")), *((column, column) for column in header if column)]
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
        choices = [("", _("Choose…")), *((side, side) for side in sides),
                   ("tie", _("Tie")), ("both_bad", _("Both bad"))]  # fmt: skip
        for value in dict.fromkeys([*values, *told]):
            self.fields[f"verdict-{value}"] = forms.ChoiceField(
                label=gettext("Verdict %(value)s means") % {"value": value},
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
