"""Write the prompts that a review shows as CSV, one row for each response."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import QuerySet

from labelapp.models import PromptAgreement, TrainingRun
from labelapp.rendering.spreadsheet import cell
from labelapp.reviewing.review import ReviewedPrompt, ReviewedResponse, review

BATCH = 100  # prompts in memory
COLUMNS = (
    "run",
    "prompt_id",
    "prompt_external_id",
    "prompt",
    "held_out",
    "comparisons",
    "against",
    "margin",
    "response",
    "response_external_id",
    "source",
    "characters",
    "reward",
    "model_rank",
    "majority_rank",
    "ranks",
    "scores",
    "flags",
    "notes",
    "text",
)


def csv_lines(run: TrainingRun, prompts: QuerySet[PromptAgreement]) -> Iterator[str]:
    """Yield the lines of the file.

    The order is fixed at the beginning, and each batch is a query of its own: SQLite refuses to
    write while a long query is being read.
    """
    keys = list(prompts.values_list("pk", flat=True))
    yield line(COLUMNS)
    for start in range(0, len(keys), BATCH):
        batch = keys[start : start + BATCH]
        by_key = PromptAgreement.objects.select_related("prompt").in_bulk(batch)
        for reviewed in review(run, [by_key[key] for key in batch if key in by_key]):
            for row in rows(run, reviewed):
                yield line(row)


def rows(run: TrainingRun, reviewed: ReviewedPrompt) -> Iterator[list[Any]]:
    """Yield a row for each response of a prompt, best reward first."""
    prompt, agreement = reviewed.prompt, reviewed.agreement
    for place, response in enumerate(reviewed.responses, start=1):
        yield [
            run.pk,
            prompt.pk,
            prompt.external_id,
            str(prompt.messages[-1]["content"]) if prompt.messages else "",
            agreement.held_out,
            agreement.comparisons,
            agreement.against,
            reviewed.margin,
            response.letter,
            response.response.external_id,
            response.source,
            len(response.response.text),
            response.reward,
            place,
            response.majority,
            ranks(response),
            of_each((given.name, given.score) for given in response.ranks),
            of_each((given.name, ", ".join(given.flags)) for given in response.ranks),
            of_each((note.name, note.text) for note in reviewed.notes),
            response.response.text,
        ]


def ranks(response: ReviewedResponse) -> str:
    """Return the ranks that people gave, as in "ann: 1; bob: unranked"."""
    return of_each(
        (given.name, "unranked" if given.rank is None else given.rank) for given in response.ranks
    )


def of_each(said: Iterable[tuple[str, object]]) -> str:
    """Return what people said, by name; those who said nothing are left out."""
    return "; ".join(f"{name}: {one}" for name, one in said if one)


def line(values: Any) -> str:
    """Return a line of CSV whose cells no spreadsheet program runs as a formula."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow([cell(value) for value in values])
    return buffer.getvalue()
