"""The ranking form: a radio group 1..K for each response, and the project's other questions."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Project, SkipReason

MAX_NOTE = 5000  # characters


def rank_field(letter: str) -> str:
    return f"rank-{letter}"


def score_field(letter: str) -> str:
    return f"score-{letter}"


def flags_field(letter: str) -> str:
    return f"flags-{letter}"


def posted_uuid(data: Any, name: str) -> uuid.UUID | None:
    """Return the token or key with this name in a form or query; None where there is none."""
    try:
        return uuid.UUID(str(data.get(name, "")))
    except ValueError:
        return None


def posted_seconds(data: Any) -> float:
    """Return the seconds of work that the page has counted; 0 where it has not."""
    try:
        seconds = float(str(data.get("seconds", "")))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < 1e9 else 0.0  # not for a NaN either


def number(highest: int, out_of_range: str, required: str = "") -> forms.IntegerField:
    """Return a field for a number from 1 to `highest`; `required` is its error when it is empty."""
    return forms.IntegerField(
        required=bool(required),
        min_value=1,
        max_value=highest,
        error_messages={
            "required": required,
            **dict.fromkeys(("invalid", "min_value", "max_value"), out_of_range),
        },
    )


class RankingForm(forms.Form):
    """A posted ranking of lettered responses, whose errors are sentences.

    Every response needs a rank, or with `partial` as many as the project's setting rank_top says.
    """

    note = forms.CharField(required=False, max_length=MAX_NOTE)
    all_bad = forms.BooleanField(required=False)

    def __init__(
        self, data: Any, *, letters: Sequence[str], project: Project, partial: bool = False
    ) -> None:
        super().__init__(data)
        self.letters = list(letters)
        self.project = project
        self.fewest = project.fewest_ranks(len(self.letters)) if partial else len(self.letters)
        needs_all = self.fewest == len(self.letters)
        self.shown_flags = list(project.flags)
        for letter in self.letters:
            names = {"letter": letter, "highest": len(self.letters)}
            self.fields[rank_field(letter)] = number(
                len(self.letters),
                _("The rank of %(letter)s must be from 1 to %(highest)s.") % names,
                required=_("%(letter)s has no rank yet.") % names if needs_all else "",
            )
            if project.rating_scale:
                names["highest"] = project.rating_scale
                self.fields[score_field(letter)] = number(
                    project.rating_scale,
                    _("The score of %(letter)s must be from 1 to %(highest)s.") % names,
                )
            if project.flags:
                self.fields[flags_field(letter)] = forms.MultipleChoiceField(
                    required=False,
                    choices=[(flag, flag) for flag in project.flags],
                    error_messages={"invalid_choice": _("This project knows no flag “%(value)s”.")},
                )

    def clean(self) -> dict[str, Any]:
        known = {rank_field(letter) for letter in self.letters}
        strangers = [key for key in self.data if key.startswith("rank-") and key not in known]
        if strangers:
            self.add_error(None, _("The ranking names a response that is not part of this task."))
        if not self.errors and (ranked := len(self.entered.ranks)) < self.fewest:
            self.add_error(None, self.too_few(ranked))
        if not self.errors and not self.project.ties_allowed:
            for problem in self.ties():
                self.add_error(None, problem)
        return self.cleaned_data

    def too_few(self, ranked: int) -> str:
        return ngettext(
            "Rank at least the best %(fewest)s responses; %(ranked)s has a rank.",
            "Rank at least the best %(fewest)s responses; %(ranked)s have a rank.",
            ranked,
        ) % {"fewest": self.fewest, "ranked": ranked}

    def ties(self) -> Iterator[str]:
        ranks = self.entered.ranks
        for rank in range(1, len(self.letters) + 1):
            tied = [letter for letter in self.letters if ranks.get(letter) == rank]
            if len(tied) > 1:
                yield _(
                    "%(letters)s share rank %(rank)s. "
                    "This project allows no ties: give each its own rank."
                ) % {"letters": _(" and ").join(tied), "rank": rank}

    @property
    def entered(self) -> RankingInput:
        """Return what is valid so far: all of it, in a valid form."""
        return RankingInput(
            ranks=self.by_letter(rank_field),
            scores=self.by_letter(score_field),
            flags=self.by_letter(flags_field),
            note=str(self.data.get("note", ""))[:MAX_NOTE].replace("\0", "").strip(),
            all_bad=bool(self.cleaned_data.get("all_bad")),
        )

    def by_letter(self, field: Any) -> dict[str, Any]:
        found = {letter: self.cleaned_data.get(field(letter)) for letter in self.letters}
        return {letter: value for letter, value in found.items() if value not in (None, [])}

    @property
    def problems(self) -> list[str]:
        """Return every error as a sentence."""
        return [str(message) for messages in self.errors.values() for message in messages]


class SkipForm(forms.Form):
    """The reason why a labeller skips an assignment."""

    reason = forms.ChoiceField(
        choices=SkipReason.choices,
        error_messages={"required": gettext_lazy("Say why: choose a reason.")},
    )
    skip_note = forms.CharField(required=False, max_length=MAX_NOTE)
