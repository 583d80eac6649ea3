"""The form that filters the prompts of a review."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.db.models import Exists, OuterRef

from labelapp.models import Project, Ranking
from labelapp.reviewing.filters import MOST_RESPONSES, Filter

MAX_SEARCH = 200  # characters

SORTS = (
    ("", "Share of comparisons against people"),
    ("margin", "Margin against the majority"),
    ("people", "Share of disagreement among people"),
    ("agree", "Agreement with people"),
    ("newest", "Newest prompts"),
    ("oldest", "Oldest prompts"),
)
HELD_OUT = (("", "All"), ("1", "Held out"), ("0", "Trained on"))
MODEL = (("", "All"), ("against", "Differs from people"), ("agrees", "Agrees with people"))
PEOPLE = (("", "All"), ("unanimous", "Unanimous"), ("split", "Split"))
LENGTHS = (
    ("", "All"),
    ("near", "Nearly equal (at most 25 % longer)"),
    ("wide", "Very different (more than twice as long)"),
)


class DateInput(forms.DateInput):
    input_type = "date"


class FilterForm(forms.Form):
    """Check the filters of the reviewed prompts. Every field is optional."""

    q = forms.CharField(label="Text", required=False, max_length=MAX_SEARCH)
    source = forms.ChoiceField(label="Source", required=False)
    labeller = forms.ChoiceField(label="Labeller", required=False)
    held_out = forms.ChoiceField(label="Held out", required=False, choices=HELD_OUT)
    model = forms.ChoiceField(label="Model", required=False, choices=MODEL)
    people = forms.ChoiceField(label="People", required=False, choices=PEOPLE)
    k = forms.ChoiceField(label="Responses", required=False)
    length = forms.ChoiceField(label="Lengths of the responses", required=False, choices=LENGTHS)
    since = forms.DateField(label="Ranked from", required=False, widget=DateInput)
    until = forms.DateField(label="Ranked until", required=False, widget=DateInput)
    sort = forms.ChoiceField(label="Sort by", required=False, choices=SORTS)

    def __init__(
        self, data: Any, *, sources: Iterable[str], labellers: Iterable[tuple[str, str]]
    ) -> None:
        super().__init__(data)
        self.choices_of("source", ((source, source) for source in sources))
        self.choices_of("labeller", labellers)
        numbers = [(str(number), str(number)) for number in range(2, MOST_RESPONSES)]
        self.choices_of("k", [*numbers, (str(MOST_RESPONSES), f"{MOST_RESPONSES} or more")])

    def choices_of(self, name: str, choices: Iterable[tuple[str, str]]) -> None:
        """Set the choices of a field, with "All" before them."""
        self.fields[name].choices = [("", "All"), *choices]  # type: ignore[attr-defined]

    def chosen(self) -> Filter:
        """Return the filter of the valid values; others count as not given."""
        self.full_clean()
        given: dict[str, Any] = {name: one for name, one in self.cleaned_data.items() if one}
        for name in ("labeller", "k"):
            given[name] = int(given.get(name, 0))
        return Filter(**given)


def labellers(project: Project) -> list[tuple[str, str]]:
    """Return the members of a project who have a ranking as choices, by name."""
    ranked = Ranking.objects.counting().filter(member=OuterRef("pk"))
    members = project.members.filter(Exists(ranked)).order_by("name")
    return [(str(pk), name) for pk, name in members.values_list("pk", "name")]
