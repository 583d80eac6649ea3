"""Held-out texts as Markdown for people to read, in TensorBoard. The texts are not trusted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from training.data.dataset import Dataset, TokenizedPrompt, TokenizedRanking
from training.evaluation.evaluate import Evaluation
from training.rankings import UNRANKED

LONGEST_SHOWN = 1500
"""Characters of a text that are shown at most."""
ERRORS_SHOWN = 20


def worst_errors(evaluation: Evaluation, dataset: Dataset) -> list[dict[str, Any]]:
    """Return the held-out comparisons with the most wrong margins, one for each prompt."""
    wrong = evaluation.comparisons[evaluation.comparisons["margin"] < 0].sort_values(
        "margin", kind="stable"
    )
    rows = wrong.drop_duplicates("prompt").head(ERRORS_SHOWN)[["ranking", "better", "worse"]]
    return [_error(dataset, evaluation, *row) for row in rows.to_numpy().tolist()]


def _error(
    dataset: Dataset, evaluation: Evaluation, place: int, better: int, worse: int
) -> dict[str, Any]:
    """Return a line of errors.jsonl, given a held-out ranking and two places within it."""
    row = int(dataset.held_out.prompt_rows[place])
    prompt, ranking = dataset.prompts.read(row, texts=True), dataset.held_out[place]
    rewards = evaluation.rewards[prompt.content_hash]

    better_and_worse = {
        name: {
            "rank": _known(ranking.ranks[number]),
            "reward": rewards[ranking.places[number]],
            "text": shortened(prompt.texts[ranking.places[number]]),
        }
        for name, number in (("better", better), ("worse", worse))
    }
    return {
        "prompt": prompt.id,
        "labeller": ranking.labeller,
        "messages": [
            {name: shortened(text) for name, text in message.items()}
            for message in prompt.messages or []
        ],
        **better_and_worse,
    }


def _known(rank: int) -> int | None:
    """Return a rank, or None for a response that was left unranked."""
    return None if rank == UNRANKED else rank


def errors_table(errors: Sequence[dict[str, Any]]) -> str:
    """Return the errors of worst_errors as Markdown."""
    parts = []
    for error in errors:
        rows = [
            f"| {error[which]['reward']:.3f} | {error[which]['rank'] or 'unranked'} "
            f"| {escape(error[which]['text'])} |"
            for which in ("better", "worse")
        ]
        parts.append("\n".join([*said(error["messages"]), *heading("human rank"), *rows]))
    return "\n\n".join(parts) or "No held-out comparison is the wrong way round."


def texts_table(
    prompt: TokenizedPrompt, rewards: Sequence[float], rankings: Sequence[TokenizedRanking]
) -> str:
    """Return a held-out prompt and its responses, best reward first, as Markdown."""
    lines = [*said(prompt.messages or []), *heading("human ranks")]
    order = sorted(range(len(rewards)), key=lambda place: -rewards[place])
    for place in order:
        ranks = [
            str(_known(ranking.ranks[ranking.places.index(place)]) or "unranked")
            for ranking in rankings
            if ranking.prompt is prompt and place in ranking.places
        ]
        text = escape(prompt.texts[place])
        lines.append(f"| {rewards[place]:.3f} | {', '.join(ranks)} | {text} |")
    return "\n".join(lines)


def said(messages: Sequence[dict[str, str]]) -> list[str]:
    """Return the messages of a conversation as lines of Markdown."""
    return [f"**{escape(each['role'])}:** {escape(each['content'])}\n" for each in messages]


def heading(ranks: str) -> list[str]:
    """Return the first lines of a table of responses."""
    return [f"| reward | {ranks} | response |", "|---:|---|---|"]


def shortened(text: str) -> str:
    """Return the beginning of the text, with an ellipsis where it was cut."""
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"


def escape(text: str) -> str:
    """Return the text shortened, in one line, and without effect in Markdown and HTML."""
    shown = re.sub(r"[^\w\s.,?'-]|_", lambda sign: f"&#{ord(sign.group())};", shortened(text))
    return re.sub(r"\s*\n\s*", "<br>", shown.strip())
