"""The caveats of a run as sentences, for its log, its report and its model card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from training.evaluation.formatting import percent, percent_between, points
from training.runs.caveats import Caveat
from training.sentences import counted

BASELINES = {
    "longer_wins": "always preferring the longer response",
    "word_counts": "counting words",
    "before_training": "before training",
    "reward_model": "the reward model alone",
}
REASONS = {
    "dropped_rankings": "because the chat template refuses their prompts",
    "cut_equal_rankings": "because their responses are equal after the cut",
    "all_tied": "because they tie everything",
    "duplicates": "because they were given twice",
}


def sentences(caveats: Iterable[Caveat], quote: Callable[[str], str] = str) -> list[str]:
    """Return each caveat as one or two sentences.

    `quote` makes the reason that a chat template gives safe for where the sentences go.
    """
    return [sentence(caveat, quote) for caveat in caveats]


def sentence(caveat: Caveat, quote: Callable[[str], str] = str) -> str:
    """Return a caveat in words."""
    values = caveat.values
    match caveat.name:
        case "few_prompts":
            return (
                f"The figures are from {few_prompts(values['prompts'])};"
                f" hold out at least {values['needed']} prompts."
            )
        case "few_steps":
            return (
                f"The run has only {counted(values['steps'], 'optimiser step')}, and a pretrained"
                f" model learns little in fewer than {values['needed']}: raise --epochs, or lower"
                " --rankings-per-step."
            )
        case "not_better":
            return f"The model is not better than {_comparison(values)}"
        case "not_measurably_better":
            return f"The model is not measurably better than {_comparison(values)}"
        case "left_out":
            reasons = ", ".join(
                f"{count} {REASONS[name]}{_quoted(name, quote(values['reason']))}"
                for name, count in values["reasons"].items()
            )
            return (
                f"{values['left_out']:,} of {counted(values['rankings'], 'ranking')}"
                f" ({percent(values['share'])}) {_were(values['left_out'])} left out: {reasons}."
            )
        case "refused":
            return (
                f"{counted(values['prompts'], 'prompt')} with"
                f" {counted(values['rankings'], 'ranking')} {_were(values['prompts'])} left out,"
                " because the chat template refuses"
                f' {"it" if values["prompts"] == 1 else "them"}: "{quote(values["reason"])}".'
            )
        case "cut_equal":
            whole = counted(values["rankings"], "whole ranking")
            return (
                f"{counted(values['comparisons'], 'comparison')} {_were(values['comparisons'])}"
                " left out"
                f"{f', with {whole}' if values['rankings'] else ''}: their responses are equal"
                " after the cut. Raise --max-response-tokens."
            )
        case "folded":
            return (
                "System messages were put into the first user message of"
                f" {counted(values['prompts'], 'prompt')}: the chat template refuses them."
            )


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def few_prompts(prompts: int) -> str:
    """Return what to say of figures from fewer held-out prompts than a measurement needs."""
    return f"{counted(prompts, 'held-out prompt')}: not a measurement"


def _comparison(values: Mapping[str, Any]) -> str:
    """Return a baseline with its accuracy and the model's, and the lead of the model."""
    ours, theirs = (
        percent_between(values[whose], values[f"{whose}_low"], values[f"{whose}_high"])
        for whose in ("ours", "theirs")
    )
    return (
        f"{BASELINES.get(values['baseline'], values['baseline'])}: it orders {ours} of the held-out"
        f" comparisons as people did, against {theirs}, a lead of"
        f" {points(values, 'gain')}."
    )


def _quoted(name: str, reason: str) -> str:
    """Return the template's own reason in brackets, for the rankings that it refuses."""
    return f' ("{reason}")' if name == "dropped_rankings" and reason else ""
