"""The ranking form: one radio group 1..K per lettered response."""

import uuid
from typing import Any

from django import forms

from labelapp.labelling import letters
from labelapp.models import Assignment

MAX_NOTE = 5000  # characters


def rank_field(letter: str) -> str:
    return f"rank-{letter}"


def posted_token(data: dict[str, Any]) -> uuid.UUID | None:
    """The task that a post speaks of; None where it names none."""
    try:
        return uuid.UUID(str(data.get("assignment", "")))
    except ValueError:
        return None


class RankingForm(forms.Form):
    """Checks a posted ranking of an assignment, and says in words what is wrong with it."""

    note = forms.CharField(required=False, max_length=MAX_NOTE)

    def __init__(self, data: Any, *, assignment: Assignment, ties_allowed: bool) -> None:
        super().__init__(data)
        self.letters = letters(assignment)
        self.ties_allowed = ties_allowed
        for letter in self.letters:
            self.fields[rank_field(letter)] = forms.IntegerField(
                min_value=1,
                max_value=len(self.letters),
                error_messages={
                    "required": f"{letter} has no rank yet.",
                    **dict.fromkeys(
                        ("invalid", "min_value", "max_value"),
                        f"The rank of {letter} must be from 1 to {len(self.letters)}.",
                    ),
                },
            )

    def clean(self) -> dict[str, Any]:
        known = {rank_field(letter) for letter in self.letters}
        strangers = [key for key in self.data if key.startswith("rank-") and key not in known]
        if strangers:
            self.add_error(None, "The ranking names a response that is not part of this task.")
        if not self.errors and not self.ties_allowed:
            for rank in range(1, len(self.letters) + 1):
                tied = [letter for letter, r in self.ranks.items() if r == rank]
                if len(tied) > 1:
                    self.add_error(
                        None,
                        f"{' and '.join(tied)} share rank {rank}. "
                        "This project allows no ties: give each its own rank.",
                    )
        return self.cleaned_data

    @property
    def ranks(self) -> dict[str, int]:
        """The ranks that are valid so far, by letter."""
        return {
            letter: self.cleaned_data[rank_field(letter)]
            for letter in self.letters
            if self.cleaned_data.get(rank_field(letter)) is not None
        }

    @property
    def note_so_far(self) -> str:
        """The note as it was entered, no longer than it may be."""
        return str(self.data.get("note", ""))[:MAX_NOTE].replace("\0", "")

    @property
    def problems(self) -> list[str]:
        """Every error, in words."""
        return [str(message) for messages in self.errors.values() for message in messages]
