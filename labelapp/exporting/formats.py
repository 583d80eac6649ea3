"""The formats of an export: prompts with their rankings, as the lines of a file."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from labelapp.exporting.reader import ExportedPrompt, ExportedRanking, has_conversations
from labelapp.models import Project
from labelapp.rendering.spreadsheet import cell, compact
from training.formats.archive_keys import FileTask, PromptState
from training.rankings import Message

Format = Literal["jsonl", "trl", "nemo", "csv", "parquet"]
Prompts = Iterable[ExportedPrompt]
Lines = Iterator[str]

COLUMNS = (
    "ranking",
    "prompt_id",
    "prompt",
    "conversation",
    "labeller",
    "version",
    "current",
    "origin",
    "surplus",
    "created_at",
    "seconds",
    "all_bad",
    "note",
    "response_id",
    "source",
    "place_shown",
    "rank",
    "score",
    "flags",
    "response",
)
# What a column holds where that is not a text, as training/formats/parquet_process.py writes it.
TYPES = {
    "ranking": "whole",
    "conversation": "messages",
    "version": "whole",
    "current": "truth",
    "surplus": "truth",
    "created_at": "moment",
    "seconds": "number",
    "all_bad": "truth",
    "place_shown": "whole",
    "rank": "whole",
    "score": "whole",
    "flags": "texts",
}


@dataclass(frozen=True, slots=True)
class Writer:
    """How a format is written: what of a prompt is in it, and the lines."""

    keep: Callable[[ExportedPrompt], ExportedPrompt | None]
    lines: Callable[[Prompts], Lines]

    def kept(self, prompts: Prompts) -> Iterator[ExportedPrompt]:
        return (kept for prompt in prompts if (kept := self.keep(prompt)) is not None)


def writer(format: Format, project: Project) -> Writer:  # noqa: A002 - the option's name
    """Raises KeyError for a format that there is not."""
    if format == "trl":
        # One file has one form: a column of texts and lists is none that `datasets` reads.
        conversational = has_conversations(project)
        return Writer(compared, partial(trl_lines, conversational=conversational))
    return {
        "jsonl": Writer(filled, jsonl_lines),
        "nemo": Writer(compared, nemo_lines),
        "csv": Writer(ranked, csv_lines),
        "parquet": Writer(ranked, table_lines),
    }[format]


def filled(prompt: ExportedPrompt) -> ExportedPrompt | None:
    """The prompt; outside an archive, which has all, None if it still lacks its responses."""
    return prompt if prompt.responses or prompt.state is not None else None


def ranked(prompt: ExportedPrompt) -> ExportedPrompt | None:
    """The prompt with the responses that its rankings name; None if it has none."""
    named = {id_ for ranking in prompt.rankings for id_ in ranking.ranks}
    responses = {id_: response for id_, response in prompt.responses.items() if id_ in named}
    return replace(prompt, responses=responses) if prompt.rankings else None


def compared(prompt: ExportedPrompt) -> ExportedPrompt | None:
    """The prompt with those of its rankings that say what is better; None if there are none."""
    return ranked(replace(prompt, rankings=[r for r in prompt.rankings if r.has_comparison]))


def jsonl_lines(prompts: Prompts) -> Lines:
    """Ranking JSONL: what our own import reads, and what more there is to know of a ranking.

    A response that stands in no ranking would be lost, so its prompt has a line of its own. In an
    archive every prompt has one, with its state.
    """
    for prompt in prompts:
        if prompt.state is not None:
            yield json_line(prompt_keys(prompt, prompt.arrived) | state_keys(prompt.state))
        elif not prompt.rankings or prompt.has_unranked:
            yield json_line(prompt_keys(prompt, list(prompt.responses)))
        for ranking in prompt.rankings:
            yield json_line(prompt_keys(prompt, list(ranking.ranks)) | ranking_keys(ranking))


def prompt_keys(prompt: ExportedPrompt, ids: Iterable[str]) -> dict[str, Any]:
    responses = [prompt.responses[id_] for id_ in ids]
    keys = {
        "prompt": plain(prompt.messages) or prompt.messages,
        "responses": [
            {"id": response.id, "text": response.text}
            | ({"source": response.source} if response.source else {})
            for response in responses
        ],
    }
    return ({"id": prompt.external_id} if prompt.external_id else {}) | keys


def ranking_keys(ranking: ExportedRanking) -> dict[str, Any]:
    keys = {
        "ranking": ranking.groups,
        "labeller": ranking.labeller,
        "version": ranking.version,
        "current": ranking.current,
        "origin": ranking.origin,
        "surplus": ranking.surplus,
        "created_at": moment(ranking.created_at),
        "all_bad": ranking.all_bad,
    }
    return keys | said(
        {
            "seconds": ranking.seconds,
            "shown": ranking.shown,
            "note": ranking.note or None,
            "ratings": ranking.ratings or None,
            "gold": ranking.gold or None,
            "control": ranking.control or None,
        }
    )


def state_keys(state: PromptState) -> dict[str, Any]:
    """How many rankings are wanted stands there always: a line without it is queued as any is."""
    return {"wanted": state.wanted} | said(
        {
            "priority": state.priority or None,
            "taken_out": state.taken_out or None,
            "created_at": state.created_at and moment(state.created_at),
            "tasks": [task_keys(task) for task in state.tasks] or None,
            "comments": [
                {"by": comment.by, "at": moment(comment.at), "text": comment.text}
                for comment in state.comments
            ]
            or None,
        }
    )


def task_keys(task: FileTask) -> dict[str, Any]:
    keys = {
        "labeller": task.labeller,
        "shown": task.shown,
        "created_at": moment(task.created_at),
    }
    return keys | said(
        {
            "seconds": task.seconds or None,
            "control": task.control or None,
            "surplus": task.surplus or None,
            "taken_back": task.taken_back or None,
            "submitted_at": task.submitted_at and moment(task.submitted_at),
            "skipped_at": task.skipped_at and moment(task.skipped_at),
            "reason": task.reason or None,
            "note": task.note or None,
        }
    )


def said(keys: dict[str, Any]) -> dict[str, Any]:
    """What there is something to say of."""
    return {key: value for key, value in keys.items() if value is not None}


def trl_lines(prompts: Prompts, *, conversational: bool) -> Lines:
    """TRL's preference format with an explicit prompt, a line a comparison.

    https://huggingface.co/docs/trl/dataset_formats#preference
    """
    for prompt in prompts:
        asked = None if conversational else plain(prompt.messages)
        for ranking in prompt.rankings:
            for better, worse in ranking.comparisons:
                chosen, rejected = prompt.responses[better].text, prompt.responses[worse].text
                yield json_line(
                    {
                        "prompt": prompt.messages,
                        "chosen": answer(chosen),
                        "rejected": answer(rejected),
                    }
                    if asked is None
                    else {"prompt": asked, "chosen": chosen, "rejected": rejected}
                )


def nemo_lines(prompts: Prompts) -> Lines:
    """NeMo RL's PreferenceDataset, a line a ranking of K responses; the lowest rank, 0, is best.

    https://docs.nvidia.com/nemo/rl/latest/guides/rm.html#datasets
    """
    for prompt in prompts:
        for ranking in prompt.rankings:
            completions = [
                {"rank": rank, "completion": answer(prompt.responses[id_].text)}
                for rank, group in enumerate(ranking.groups)
                for id_ in group
            ]
            yield json_line({"context": prompt.messages, "completions": completions})


def csv_lines(prompts: Prompts) -> Lines:
    """A row a response of a ranking, best first (RFC 4180)."""
    buffer = io.StringIO()
    table = csv.writer(buffer)
    table.writerow(COLUMNS)
    for rows in long_form(prompts):
        table.writerows([cell(row[column]) for column in COLUMNS] for row in rows)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()  # the header, where nothing came


def table_lines(prompts: Prompts) -> Lines:
    """Yield the columns' types, then the rows, as JSON for the process that writes Parquet."""
    yield json_line({column: TYPES.get(column, "text") for column in COLUMNS})
    for rows in long_form(prompts):
        yield from map(json_line, rows)


def long_form(prompts: Prompts) -> Iterator[list[dict[str, Any]]]:
    """The rows of each ranking, best first, by column."""
    number = 0
    for prompt in prompts:
        for ranking in prompt.rankings:
            number += 1
            yield list(long_rows(number, prompt, ranking))


def long_rows(
    number: int, prompt: ExportedPrompt, ranking: ExportedRanking
) -> Iterator[dict[str, Any]]:
    whole = plain(prompt.messages) is not None
    of_ranking = {
        "ranking": number,
        "prompt_id": prompt.external_id,
        "prompt": prompt.messages[-1]["content"],
        "conversation": None if whole else prompt.messages,
        "labeller": ranking.labeller,
        "version": ranking.version,
        "current": ranking.current,
        "origin": ranking.origin,
        "surplus": ranking.surplus,
        "created_at": moment(ranking.created_at),
        "seconds": ranking.seconds,
        "all_bad": ranking.all_bad,
        "note": ranking.note,
    }
    for id_ in (id_ for group in ranking.groups for id_ in group):
        rating = ranking.ratings.get(id_, {})
        yield of_ranking | {
            "response_id": id_,
            "source": prompt.responses[id_].source,
            "place_shown": ranking.shown.index(id_) + 1 if ranking.shown else None,
            "rank": ranking.ranks[id_],
            "score": rating.get("score"),
            "flags": rating.get("flags") or None,
            "response": prompt.responses[id_].text,
        }


def plain(messages: list[Message]) -> str | None:
    """The prompt as a text, if it is one message of a user."""
    if len(messages) == 1 and messages[0]["role"] == "user":
        return messages[0]["content"]
    return None


def answer(text: str) -> list[Message]:
    """A response as what the assistant says."""
    return [{"role": "assistant", "content": text}]


def moment(when: datetime) -> str:
    """ISO 8601, UTC: always the same for the same moment."""
    return when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def json_line(value: dict[str, Any]) -> str:
    return compact(value) + "\n"
