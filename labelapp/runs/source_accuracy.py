"""The accuracy of a run by the source of the responses, written once with its scores."""

from collections import defaultdict
from typing import Any

from django.db.models import BigIntegerField, Case, Count, F, OuterRef, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from labelapp.models import Placement, PromptAgreement, Score, TrainingRun, counting
from labelapp.runs.paired_bootstrap import Column, grouped, intervals
from labelapp.runs.pairs import counted, other_counted, reward
from training.runs.folder import RunFolder

Counts = tuple[float, int]  # comparisons that the model orders as people did, all comparisons


def write_by_source(run: TrainingRun, folder: RunFolder) -> None:
    """Write the accuracy by source to metrics.json, beside the other held-out figures."""
    metrics = folder.read_metrics()
    if metrics and isinstance(metrics.get("held_out"), dict):
        metrics["held_out"]["by_source"] = accuracy_by_source(run)
        folder.write_metrics(metrics)


def accuracy_by_source(run: TrainingRun) -> list[dict[str, Any]]:
    """Return the accuracy for each source, with its interval over prompts.

    A comparison counts for the sources of both its responses, and once where they are the same.
    """
    found: dict[str, dict[int, Counts]] = defaultdict(dict)
    for prompt, better, worse, right, comparisons in counts(run):
        for source in {better, worse}:
            known, total = found[source].get(prompt, (0.0, 0))
            found[source][prompt] = known + float(right), total + comparisons
    return [entry(source, found[source]) for source in sorted(found)]


def counts(run: TrainingRun) -> Any:
    """Return rows of (prompt, better source, worse source, comparisons agreed with, comparisons).

    Of held-out prompts. A comparison of equal rewards is agreed with by half; one of responses that
    are equal after the cut to the token limit does not count, as in training.
    """
    held_out = PromptAgreement.objects.here(run).filter(held_out=True, comparisons__gt=0)
    return (
        Placement.objects.filter(
            counted(run), counting("ranking__"), ranking__prompt__in=held_out.values("prompt")
        )
        .filter(other_counted(run), ranking__placements__rank__gt=F("rank"))
        .annotate(
            better_source=F("response__source"),
            worse_source=F("ranking__placements__response__source"),
            worse=F("ranking__placements__response"),
            lead=reward(run, "response") - reward(run, "worse"),
        )
        .filter(lead__isnull=False)
        .alias(text=text_of(run, "response"), other_text=text_of(run, "worse"))
        .exclude(text=F("other_text"))
        .values("ranking__prompt", "better_source", "worse_source")
        .annotate(
            agreed=Sum(
                Case(
                    When(lead__gt=0, then=Value(1.0)),
                    When(lead=0, then=Value(0.5)),
                    default=Value(0.0),
                )
            ),
            comparisons=Count("ranking"),
        )
        .values_list("ranking__prompt", "better_source", "worse_source", "agreed", "comparisons")
    )


def text_of(run: TrainingRun, response: str) -> Coalesce:
    """Return the first response of the prompt whose text is the same after the cut."""
    scores = Score.objects.filter(run=run, response=OuterRef(response))
    same = Subquery(scores.values("same_as")[:1])
    return Coalesce(same, F(response), output_field=BigIntegerField())


def entry(source: str, by_prompt: dict[int, Counts]) -> dict[str, Any]:
    """Return the figures of one source, given its counts by prompt."""
    right: Column = tuple(agreed for agreed, _ in by_prompt.values())
    all_of_them: Column = tuple(float(number) for _, number in by_prompt.values())
    [(low, high)] = intervals((grouped(right),), grouped(all_of_them))
    return {
        "source": source,
        "comparisons": round(sum(all_of_them)),
        "accuracy": sum(right) / sum(all_of_them),
        "accuracy_low": low,
        "accuracy_high": high,
    }
