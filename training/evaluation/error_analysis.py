"""Held-out texts for people to look at: as Markdown, in TensorBoard. Texts are hostile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from training.data.dataset import (
    Dataset,
    TokenizedPrompt,
    TokenizedRanking,
)
from training.evaluation.evaluate import Verdict

LONGEST_SHOWN = 1500
"""Characters of a text that are shown."""
ERRORS_SHOWN = 20


def worst_errors(verdict: Verdict, dataset: Dataset) -> list[dict[str, Any]]:
    """The held-out comparisons that the rewards get most wrong, one a prompt, the worst first."""
    wrong = verdict.comparisons[verdict.comparisons["margin"] < 0].sort_values(
        "margin", kind="stable"
    )
    rows = wrong.drop_duplicates("prompt").head(ERRORS_SHOWN)[["ranking", "better", "worse"]]
    return [_error(dataset, verdict, *row) for row in rows.to_numpy().tolist()]


def _error(
    dataset: Dataset, verdict: Verdict, place: int, better: int, worse: int
) -> dict[str, Any]:
    row = int(dataset.held_out.prompt_rows[place])
    prompt, ranking = dataset.prompts.read(row, texts=True), dataset.held_out[place]
    rewards = verdict.rewards[prompt.content_hash]

    def response(number: int) -> dict[str, Any]:
        which = ranking.places[number]
        return {
            "rank": ranking.ranks[number],
            "reward": rewards[which],
            "text": shortened(prompt.texts[which]),
        }

    return {
        "prompt": prompt.id,
        "labeller": ranking.labeller,
        "messages": [
            {name: shortened(text) for name, text in message.items()}
            for message in prompt.messages or []
        ],
        "better": response(better),
        "worse": response(worse),
    }


def errors_table(errors: Sequence[dict[str, Any]]) -> str:
    """What worst_errors found, as Markdown."""
    parts = []
    for error in errors:
        rows = [
            f"| {error[which]['reward']:.3f} | {error[which]['rank']} "
            f"| {escape(error[which]['text'])} |"
            for which in ("better", "worse")
        ]
        parts.append("\n".join([*said(error["messages"]), *heading("human rank"), *rows]))
    return "\n\n".join(parts) or "No held-out comparison is the wrong way round."


def texts_table(
    prompt: TokenizedPrompt, rewards: Sequence[float], rankings: Sequence[TokenizedRanking]
) -> str:
    """A held-out prompt and its responses, best reward first, as Markdown."""
    lines = [*said(prompt.messages or []), *heading("human ranks")]
    order = sorted(range(len(rewards)), key=lambda place: -rewards[place])
    for place in order:
        ranks = [
            str(ranking.ranks[ranking.places.index(place)])
            for ranking in rankings
            if ranking.prompt is prompt and place in ranking.places
        ]
        text = escape(prompt.texts[place])
        lines.append(f"| {rewards[place]:.3f} | {', '.join(ranks)} | {text} |")
    return "\n".join(lines)


def said(messages: Sequence[dict[str, str]]) -> list[str]:
    return [f"**{escape(each['role'])}:** {escape(each['content'])}\n" for each in messages]


def heading(ranks: str) -> list[str]:
    return [f"| reward | {ranks} | response |", "|---:|---|---|"]


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"


def escape(text: str) -> str:
    """Text that neither Markdown nor HTML finds anything in, within a line, shortened."""
    shown = re.sub(r"[^\w\s.,?'-]|_", lambda sign: f"&#{ord(sign.group())};", shortened(text))
    return re.sub(r"\s*\n\s*", "<br>", shown.strip())
