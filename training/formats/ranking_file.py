"""Read ranking files of any kind as a stream of checked lines.

Bad lines come with their reason. Every shape of file arrives here as objects of ranking JSONL,
and all are checked alike. docs/data-format.md describes the shapes. No torch: the web imports this
file.
"""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from training.formats.archive_keys import (
    MAX_ID,
    MAX_NAME,
    MAX_RANKED,
    MIN_RANKED,
    PromptState,
    RankingDetails,
    check_details,
    check_labels,
    check_state,
)
from training.formats.checked_values import id_text, optional_name, storable
from training.formats.lines import Found, RankingFileError
from training.formats.opening import Limits, Tells, open_file, unreadable_file
from training.formats.read_options import Format, ReadOptions
from training.formats.reader import Reader
from training.formats.reading import Reading
from training.formats.records import records_of
from training.rankings import UNRANKED, Message
from training.sentences import cut, plural_sentence, sentence

__all__ = [
    "MAX_NAME",
    "BadLine",
    "Format",
    "Limits",
    "Line",
    "RankingFile",
    "RankingFileError",
    "ReadOptions",
    "open_ranking_file",
]

DEFAULT = ReadOptions()
MOST_REASON = 300  # characters of a reason, which may quote the file
NO_GROUPS = sentence('has a ranking that is not groups of tied ids, such as [["a"], ["b", "c"]]')
A_ROLE, THE_PROMPT = sentence("a role"), sentence("the prompt")
A_RESPONSE_ID = sentence("a response id")


@dataclass(frozen=True, slots=True)
class FileResponse:
    id: str
    text: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """Hold a prompt with its responses and, if it was ranked, its ranking: groups of tied ids.

    The `unranked` responses come below those of the ranking, in no known order. A line of an
    archive also has the `details` of a ranking or the `state` of a prompt; beside a ranking, a
    state has tags and metadata alone.
    """

    number: int
    messages: list[Message]
    responses: list[FileResponse]
    ranking: list[list[str]] | None = None
    unranked: Sequence[str] = ()
    labeller: str | None = None
    external_id: str | None = None
    is_row_id: bool = False  # the id is the record's, and may differ for the same prompt
    details: RankingDetails | None = None
    state: PromptState | None = None

    @property
    def ranks(self) -> dict[str, int]:
        """Return the rank of each response by its id, UNRANKED for those that have none."""
        ranks = {id_: rank for rank, group in enumerate(self.ranking or [], 1) for id_ in group}
        return ranks | dict.fromkeys(self.unranked, UNRANKED)

    def best_first(self) -> list[tuple[int | None, FileResponse]]:
        """Return the responses with their ranks, and None for those that have none."""
        ranks = {id_: rank for id_, rank in self.ranks.items() if rank != UNRANKED}
        ranked = [(ranks.get(response.id), response) for response in self.responses]
        return sorted(ranked, key=lambda pair: pair[0] or UNRANKED)


@dataclass(frozen=True, slots=True)
class BadLine:
    number: int
    reason: str

    def __post_init__(self) -> None:
        if len(self.reason) > MOST_REASON:
            object.__setattr__(self, "reason", cut(self.reason, MOST_REASON))

    def __str__(self) -> str:
        return f"line {self.number}: {self.reason}"


@dataclass
class RankingFile:
    """Read an open ranking file. `raw` tells how many of its bytes have been read.

    `reading` says how it is read; its counts are complete at the end.
    """

    raw: Tells
    size: int | None
    reader: Reader
    delimiter: str = ""
    rankings: bool = True
    prompts: bool = False

    def __iter__(self) -> Iterator[Line | BadLine]:
        with reading_errors():
            yield from checked(self.reader, self.rankings, self.prompts)

    @property
    def format(self) -> Format:
        return self.reader.format

    @property
    def reading(self) -> Reading:
        return self.reader.reading

    @property
    def columns(self) -> list[str]:
        """Return the columns of a table; none for a file of JSON."""
        return self.reader.header or []


@contextmanager
def reading_errors() -> Iterator[None]:
    """Turn the errors of reading a file into a RankingFileError."""
    try:
        yield
    except (EOFError, OSError, zlib.error, zipfile.BadZipFile) as error:
        raise unreadable_file(error) from error


@contextmanager
def open_ranking_file(
    path: str,
    options: ReadOptions = DEFAULT,
    *,
    rankings: bool = True,
    prompts: bool = False,
    limits: Limits | None = None,
) -> Iterator[RankingFile]:
    """Open a ranking file, packed or not, `-` for standard input.

    Without `rankings` those of the file are not looked at, good or bad: a line that has one gets
    the ranking []. With `prompts`, a line needs no responses.
    Raises RankingFileError where the file is not there, cannot be read, or does not say what its
    columns are.
    """
    with ExitStack() as stack, reading_errors():
        file = open_file(stack, path, encoding=options.encoding, limits=limits)
        found = records_of(stack, file, path, options)
        reader = Reader(
            found.records, file.reading, options, found.header, bool(found.delimiter), prompts
        )
        yield RankingFile(found.raw, file.size, reader, found.delimiter, rankings, prompts)


def checked(
    found: Iterable[Found], rankings: bool, prompts: bool = False
) -> Iterator[Line | BadLine]:
    """Yield the objects of a file as checked lines, or as a BadLine that says what is wrong."""
    for number, data in found:
        if isinstance(data, ValueError):
            yield BadLine(number, str(data))
            continue
        try:
            yield check(number, data, rankings, prompts)
        except ValueError as error:
            yield BadLine(number, str(error))


def check(number: int, data: Any, rankings: bool, prompts: bool = False) -> Line:
    """Return an object of ranking JSONL as a Line. Raises ValueError with the reason."""
    if not isinstance(data, dict):
        raise ValueError(sentence("is not a JSON object with prompt and responses"))
    lacks = prompts and not data.get("responses")
    responses = [] if lacks or is_unfilled(data) else check_responses(data.get("responses"))
    ids = [response.id for response in responses]
    ranking = data.get("ranking")
    details = state = None
    unranked: list[str] = []
    if ranking is not None:
        ranking, unranked = check_ranking(data, ids) if rankings else ([], [])
        details = check_details(data, ids) if rankings else None
        state = check_labels(data)
    elif rankings:
        state = check_state(data, ids)
    else:
        state = check_labels(data)
    return Line(
        number=number,
        messages=check_prompt(data.get("prompt")),
        responses=responses,
        ranking=ranking,
        unranked=unranked,
        labeller=optional_name(data.get("labeller"), "labeller", MAX_NAME),
        external_id=optional_name(id_text(data.get("id")), "id", MAX_ID),
        is_row_id=data.get("row_id") is True,
        details=details,
        state=state,
    )


def is_unfilled(data: dict[str, Any]) -> bool:
    """Return True if the line's prompt has no responses yet, and so waits for nobody."""
    return data.get("responses") == [] and data.get("wanted") == 0 and data.get("ranking") is None


def check_prompt(prompt: Any) -> list[Message]:
    """Return a prompt, given as text or chat messages, as messages."""
    if isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    if not isinstance(prompt, list) or not prompt:
        raise ValueError(
            sentence("has no prompt: a text, or a list of messages with role and content")
        )
    messages: list[Message] = []
    for message in prompt:
        if not isinstance(message, dict):
            raise ValueError(
                sentence("has a prompt message that is not an object with role and content")
            )
        messages.append(check_message(message))
    if not messages[-1]["content"].strip():
        raise ValueError(sentence("has an empty prompt"))
    return messages


def check_message(message: dict[str, Any]) -> Message:
    """Return a message with role and content. Raises ValueError."""
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str) or not role or not isinstance(content, str):
        raise ValueError(sentence("has a prompt message without role and content"))
    return {"role": storable(role, A_ROLE), "content": storable(content, THE_PROMPT)}


def check_responses(responses: Any) -> list[FileResponse]:
    if not isinstance(responses, list) or not responses:
        raise ValueError(sentence("has no responses: a list of objects with id and text"))
    checked = [check_response(i, response) for i, response in enumerate(responses)]
    by_text: dict[str, str] = {}
    ids: set[str] = set()
    for response in checked:
        if response.id in ids:
            raise ValueError(sentence("has two responses with the id %(id)s", id=repr(response.id)))
        if response.text in by_text:
            first = by_text[response.text]
            raise ValueError(
                sentence(
                    "has a duplicate: %(first)s and %(id)s are the same text",
                    first=repr(first),
                    id=repr(response.id),
                )
            )
        ids.add(response.id)
        by_text[response.text] = response.id
    return checked


def check_response(index: int, response: Any) -> FileResponse:
    if not isinstance(response, dict):
        raise ValueError(
            sentence(
                "has a response that is not an object with id and text: number %(place)s",
                place=str(index + 1),
            )
        )
    id_ = id_text(response.get("id", str(index)))
    if not isinstance(id_, str):
        raise ValueError(
            sentence(
                "has a response whose id is not a text: number %(place)s", place=str(index + 1)
            )
        )
    if len(id_) > MAX_ID:
        raise ValueError(
            sentence(
                "has a response whose id is longer than %(longest)s characters", longest=MAX_ID
            )
        )
    text = response.get("text")
    if not isinstance(text, str) or not text.strip():
        raise ValueError(sentence("has an empty response: %(id)s", id=repr(id_)))
    return FileResponse(
        storable(id_, A_RESPONSE_ID),
        storable(text, lambda: sentence("response %(id)s", id=repr(id_))),
        optional_name(response.get("source"), "source") or "",
    )


def check_ranking(data: dict[str, Any], ids: list[str]) -> tuple[list[list[str]], list[str]]:
    """Return the ranking's groups of tied ids, and the ids that it leaves unranked.

    Raises ValueError unless they name every response once.
    """
    ranking, unranked = data["ranking"], data.get("unranked") or []
    if not MIN_RANKED <= len(ids) <= MAX_RANKED:
        raise ValueError(
            plural_sentence(
                "ranks %(ids)s response; a ranking has %(least)s to %(most)s",
                "ranks %(ids)s responses; a ranking has %(least)s to %(most)s",
                len(ids),
                ids=str(len(ids)),
                least=MIN_RANKED,
                most=MAX_RANKED,
            )
        )
    if not isinstance(ranking, list) or not all(isinstance(g, list) and g for g in ranking):
        raise ValueError(NO_GROUPS)
    if not isinstance(unranked, list) or (unranked and not ranking):
        raise ValueError(
            sentence("has an unranked that is not a list of ids beside a ranking of others")
        )
    groups = [[id_text(id_) for id_ in group] for group in [*ranking, unranked]]
    if not all(isinstance(id_, str) for group in groups for id_ in group):
        raise ValueError(NO_GROUPS)
    named = [id_ for group in groups for id_ in group]
    known, there = set(ids), set(named)
    if not there <= known:
        stranger = next(id_ for id_ in named if id_ not in known)
        raise ValueError(
            sentence(
                "has a rank for %(stranger)s, which is not among its responses",
                stranger=repr(stranger),
            )
        )
    if not known <= there:
        missing = next(id_ for id_ in ids if id_ not in there)
        raise ValueError(
            sentence("has no rank for the response %(missing)s", missing=repr(missing))
        )
    if len(named) > len(ids):
        twice = Counter(named).most_common(1)[0][0]
        raise ValueError(sentence("ranks the response %(twice)s twice", twice=repr(twice)))
    return groups[:-1], groups[-1]
