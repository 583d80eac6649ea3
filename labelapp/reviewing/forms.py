"""The form that filters the prompts of a review."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labelapp.models import Project, TrainingRun
from labelapp.reviewing.differing import key_of_rater
from labelapp.reviewing.filters import MOST_RESPONSES, RANKS, Filter
from labelapp.reviewing.results import Rater
from labelapp.runs.starting import data_counts

MAX_SEARCH = 200  # characters

SORTS = (
    ("margin", gettext_lazy("Margin against people")),
    ("share", gettext_lazy("Share of comparisons against people")),
    ("people", gettext_lazy("Share of disagreement among people")),
    ("agree", gettext_lazy("Agreement with people")),
    ("newest", gettext_lazy("Newest prompts")),
    ("oldest", gettext_lazy("Oldest prompts")),
)
HELD_OUT = (
    ("", gettext_lazy("All")),
    ("1", gettext_lazy("Held out")),
    ("0", gettext_lazy("Trained on")),
)
MODEL = (
    ("", gettext_lazy("All")),
    ("against", gettext_lazy("Differs from people")),
    ("agrees", gettext_lazy("Agrees with people")),
)
RATERS = (
    ("model", gettext_lazy("The model")),
    ("adjudicated", gettext_lazy("Adjudicated")),
    ("longer", gettext_lazy("Longer wins")),
)
PEOPLE = (
    ("", gettext_lazy("All")),
    ("unanimous", gettext_lazy("Unanimous")),
    ("split", gettext_lazy("Split")),
)
LENGTHS = (
    ("", gettext_lazy("All")),
    ("near", gettext_lazy("Nearly equal (at most 25 % longer)")),
    ("wide", gettext_lazy("Very different (more than twice as long)")),
)


NOTES = (
    ("", gettext_lazy("All")),
    ("1", gettext_lazy("With a note")),
)


class DateInput(forms.DateInput):
    input_type = "date"


class FilterForm(forms.Form):
    """Check the filters of the reviewed prompts. Every field is optional."""

    q = forms.CharField(label=gettext_lazy("Text"), required=False, max_length=MAX_SEARCH)
    source = forms.ChoiceField(label=gettext_lazy("Source"), required=False)
    labeller = forms.ChoiceField(label=gettext_lazy("Labeller"), required=False)
    differs = forms.ChoiceField(label=gettext_lazy("Differs from"), required=False)
    rank = forms.ChoiceField(label=gettext_lazy("Human rank"), required=False)
    flag = forms.ChoiceField(label=gettext_lazy("Flag"), required=False)
    note = forms.ChoiceField(label=gettext_lazy("Note"), required=False, choices=NOTES)
    held_out = forms.ChoiceField(label=gettext_lazy("Held out"), required=False, choices=HELD_OUT)
    model = forms.ChoiceField(label=gettext_lazy("Model"), required=False, choices=MODEL)
    people = forms.ChoiceField(label=gettext_lazy("People"), required=False, choices=PEOPLE)
    k = forms.ChoiceField(label=gettext_lazy("Responses"), required=False)
    length = forms.ChoiceField(
        label=gettext_lazy("Lengths of the responses"), required=False, choices=LENGTHS
    )
    since = forms.DateField(label=gettext_lazy("Ranked from"), required=False, widget=DateInput)
    until = forms.DateField(label=gettext_lazy("Ranked until"), required=False, widget=DateInput)
    sort = forms.ChoiceField(label=gettext_lazy("Sort by"), required=False, choices=SORTS)

    def __init__(
        self,
        data: Any,
        *,
        sources: Iterable[str],
        labellers: Sequence[tuple[str, str]],
        runs: Iterable[tuple[str, str]],
        flags: Sequence[str],
    ) -> None:
        super().__init__(data)
        self.choices_of("source", ((source, source) for source in sources))
        self.choices_of("labeller", labellers)
        self.choices_of("differs", chain(RATERS, labellers, runs))
        self.choices_of("flag", ((flag, flag) for flag in flags))
        if not flags:
            del self.fields["flag"]
        self.choices_of("rank", ((str(rank), str(rank)) for rank in RANKS))
        numbers = [(str(number), str(number)) for number in range(2, MOST_RESPONSES)]
        self.choices_of(
            "k",
            [*numbers, (str(MOST_RESPONSES), _("%(number)s or more") % {"number": MOST_RESPONSES})],
        )

    def choices_of(self, name: str, choices: Iterable[tuple[str, object]]) -> None:
        """Set the choices of a field, with "All" before them."""
        self.fields[name].choices = [("", _("All")), *choices]  # type: ignore[attr-defined]

    def chosen(self) -> Filter:
        """Return the filter of the valid values; others count as not given."""
        self.full_clean()
        given: dict[str, Any] = {name: one for name, one in self.cleaned_data.items() if one}
        for name in ("labeller", "rank", "k"):
            given[name] = int(given.get(name, 0))
        return Filter(**given)


def other_models(run: TrainingRun, runs: Iterable[TrainingRun]) -> list[tuple[str, str]]:
    """Return the models of other runs as choices."""
    return [
        (key_of_rater(Rater("run", run=one.pk)), _("Model of run %(number)s") % {"number": one.pk})
        for one in runs
        if one != run
    ]


def labellers(project: Project, rows: int) -> list[tuple[str, str]]:
    """Return the members of a project who have a ranking as choices, by name."""
    return [(str(pk), name) for pk, name in data_counts.labellers(project, rows)]
