"""The formats of an export, which turn prompts with their rankings into the lines of a file."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter
from typing import Any, Literal

from labelapp.exporting.reader import ExportedPrompt, ExportedRanking, has_conversations
from labelapp.models import Project
from labelapp.rendering.spreadsheet import cell, compact
from training.formats.archive_keys import FileTask, PromptState
from training.formats.conversation import is_transcript
from training.rankings import UNRANKED, Message

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
# Types of the columns that are not texts, as training/formats/parquet_process.py names them.
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
class LineWriter:
    """A format: the part of each prompt that it contains, and the lines that it writes."""

    filter_prompt: Callable[[ExportedPrompt], ExportedPrompt | None]
    lines: Callable[[Prompts], Lines]

    def filter_prompts(self, prompts: Prompts) -> Iterator[ExportedPrompt]:
        return (part for prompt in prompts if (part := self.filter_prompt(prompt)) is not None)


def line_writer(file_format: Format, project: Project) -> LineWriter:
    """Return the writer of a format. Raises KeyError for an unknown format."""
    if file_format == "trl":
        # `datasets` cannot read a column with both texts and lists, so a file uses one form.
        conversational = has_conversations(project)
        return LineWriter(with_comparisons, partial(trl_lines, conversational=conversational))
    return {
        "jsonl": LineWriter(with_responses, jsonl_lines),
        "nemo": LineWriter(with_comparisons, nemo_lines),
        "csv": LineWriter(with_rankings, csv_lines),
        "parquet": LineWriter(with_rankings, table_lines),
    }[file_format]


def with_responses(prompt: ExportedPrompt) -> ExportedPrompt | None:
    """Return the prompt, or None if it has no responses and this is not an archive."""
    return prompt if prompt.responses or prompt.state is not None else None


def with_rankings(prompt: ExportedPrompt) -> ExportedPrompt | None:
    """Return the prompt with its ranked responses, or None if it has no rankings."""
    named = {id_ for ranking in prompt.rankings for id_ in ranking.ranks}
    responses = {id_: response for id_, response in prompt.responses.items() if id_ in named}
    return replace(prompt, responses=responses) if prompt.rankings else None


def with_comparisons(prompt: ExportedPrompt) -> ExportedPrompt | None:
    """Return the prompt without rankings that tie everything, or None if none are left."""
    rankings = [ranking for ranking in prompt.rankings if ranking.has_comparison]
    return with_rankings(replace(prompt, rankings=rankings))


def jsonl_lines(prompts: Prompts) -> Lines:
    """Yield ranking JSONL, which Podium imports, with all details of each ranking.

    A prompt gets a line of its own if one of its responses is in no ranking and would be lost. In
    an archive every prompt gets one, with its state.
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
        "prompt": single_user_text(prompt.messages) or prompt.messages,
        "responses": [
            {"id": response.id, "text": response.text}
            | ({"source": response.source} if response.source else {})
            for response in responses
        ],
    }
    return ({"id": prompt.external_id} if prompt.external_id else {}) | keys


def version_keys(ranking: ExportedRanking) -> dict[str, Any]:
    """Return whose version of a ranking this is, and when and how it was made."""
    return {
        "labeller": ranking.labeller,
        "version": ranking.version,
        "current": ranking.current,
        "origin": ranking.origin,
        "surplus": ranking.surplus,
        "created_at": format_moment(ranking.created_at),
    }


def ranking_keys(ranking: ExportedRanking) -> dict[str, Any]:
    keys = {
        "ranking": ranking.groups,
        **version_keys(ranking),
        "all_bad": ranking.all_bad,
    }
    return keys | without_none(
        {
            "unranked": ranking.unranked or None,
            "seconds": ranking.seconds,
            "shown": ranking.shown,
            "note": ranking.note or None,
            "ratings": ranking.ratings or None,
            "gold": ranking.gold or None,
            "control": ranking.control or None,
        }
    )


def state_keys(state: PromptState) -> dict[str, Any]:
    """Return the keys of a prompt's state.

    `wanted` is always present: the import queues a prompt without it like any new one.
    """
    comments = [
        {"by": comment.by, "at": format_moment(comment.at), "text": comment.text}
        for comment in state.comments
    ]
    return {"wanted": state.wanted} | without_none(
        {
            "priority": state.priority or None,
            "taken_out": state.taken_out or None,
            "created_at": state.created_at and format_moment(state.created_at),
            "tasks": [task_keys(task) for task in state.tasks] or None,
            "comments": comments or None,
            "assigned": list(state.assigned) or None,
            "reserved": state.reserved or None,
            "tags": list(state.tags) or None,
            "metadata": state.metadata or None,
        }
    )


def task_keys(task: FileTask) -> dict[str, Any]:
    keys = {
        "labeller": task.labeller,
        "shown": task.shown,
        "created_at": format_moment(task.created_at),
    }
    return keys | without_none(
        {
            "seconds": task.seconds or None,
            "control": task.control or None,
            "surplus": task.surplus or None,
            "taken_back": task.taken_back or None,
            "submitted_at": task.submitted_at and format_moment(task.submitted_at),
            "skipped_at": task.skipped_at and format_moment(task.skipped_at),
            "reason": task.reason or None,
            "note": task.note or None,
        }
    )


def without_none(keys: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if value is not None}


def trl_lines(prompts: Prompts, *, conversational: bool) -> Lines:
    """Yield TRL's preference format with explicit prompts, one comparison per line.

    https://huggingface.co/docs/trl/dataset_formats#preference
    """
    for prompt in prompts:
        text = None if conversational else single_user_text(prompt.messages)
        for ranking in prompt.rankings:
            for better, worse in ranking.comparisons:
                chosen, rejected = prompt.responses[better].text, prompt.responses[worse].text
                yield json_line(
                    {
                        "prompt": prompt.messages,
                        "chosen": assistant_messages(chosen),
                        "rejected": assistant_messages(rejected),
                    }
                    if text is None
                    else {"prompt": text, "chosen": chosen, "rejected": rejected}
                )


def nemo_lines(prompts: Prompts) -> Lines:
    """Yield NeMo RL's PreferenceDataset, one ranking of K responses per line; rank 0 is best.

    Unranked responses share the last rank, because the format knows nothing else.
    https://docs.nvidia.com/nemo/rl/latest/guides/rm.html#datasets
    """
    for prompt in prompts:
        for ranking in prompt.rankings:
            completions = [
                {"rank": rank, "completion": assistant_messages(prompt.responses[id_].text)}
                for rank, group in enumerate([*ranking.groups, ranking.unranked])
                for id_ in group
            ]
            yield json_line({"context": prompt.messages, "completions": completions})


def csv_lines(prompts: Prompts) -> Lines:
    """Yield CSV (RFC 4180), one response of a ranking per row, best first."""
    buffer = io.StringIO()
    table = csv.writer(buffer)
    table.writerow(COLUMNS)
    for rows in ranking_rows(prompts):
        table.writerows([cell(row[column]) for column in COLUMNS] for row in rows)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()  # the header, if there were no rankings


def table_lines(prompts: Prompts) -> Lines:
    """Yield the columns' types, then the rows, as JSON for the process that writes Parquet."""
    yield json_line({column: TYPES.get(column, "text") for column in COLUMNS})
    for rows in ranking_rows(prompts):
        yield from map(json_line, rows)


def ranking_rows(prompts: Prompts) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of each ranking, best response first, as values by column."""
    number = 0
    for prompt in prompts:
        for ranking in prompt.rankings:
            number += 1
            yield list(response_rows(number, prompt, ranking))


def response_rows(
    number: int, prompt: ExportedPrompt, ranking: ExportedRanking
) -> Iterator[dict[str, Any]]:
    is_single = single_user_text(prompt.messages) is not None
    shared = {
        "ranking": number,
        "prompt_id": prompt.external_id,
        "prompt": prompt.messages[-1]["content"],
        "conversation": None if is_single else prompt.messages,
        **version_keys(ranking),
        "seconds": ranking.seconds,
        "all_bad": ranking.all_bad,
        "note": ranking.note,
    }
    for id_, rank in sorted(ranking.ranks.items(), key=itemgetter(1)):
        rating = ranking.ratings.get(id_, {})
        yield shared | {
            "response_id": id_,
            "source": prompt.responses[id_].source,
            "place_shown": ranking.shown.index(id_) + 1 if ranking.shown else None,
            "rank": None if rank == UNRANKED else rank,
            "score": rating.get("score"),
            "flags": rating.get("flags") or None,
            "response": prompt.responses[id_].text,
        }


def single_user_text(messages: list[Message]) -> str | None:
    """Return the text of a prompt that is one user message, or None.

    A text that looks like a transcript stays a message: readers would split it.
    """
    if len(messages) == 1 and messages[0]["role"] == "user":
        text: str = messages[0]["content"]
        return None if is_transcript(text) else text
    return None


def assistant_messages(text: str) -> list[Message]:
    return [{"role": "assistant", "content": text}]


def format_moment(when: datetime) -> str:
    """Return a time as ISO 8601 in UTC, always with microseconds."""
    return when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def json_line(value: dict[str, Any]) -> str:
    return compact(value) + "\n"
