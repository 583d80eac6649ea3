"""Rankings from a file: JSONL, gzip or not, one ranking a line (docs/training.md)."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.pairs import Ranking, prompt_hash
from training.records import Message, Prompt, Response


class FileSource:
    """Reads the file anew each time. Prompts and responses are known by their hashes."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = self.path.name
        if not self.path.is_file():
            raise UserError(f"rankings file {path} does not exist")

    def prompts(self) -> Iterator[Prompt]:
        """A prompt for each line with a ranking. Raises UserError naming a line that is wrong."""
        for number, line in enumerate(self._lines(), start=1):
            try:
                prompt = parse_line(line) if line.strip() else None
            except ValueError as error:
                raise UserError(f"{self.path}, line {number}: {error}") from error
            if prompt is not None:
                yield prompt

    def _lines(self) -> Iterator[bytes]:
        try:
            with (
                gzip.open(self.path) if self.path.suffix == ".gz" else self.path.open("rb") as file
            ):
                yield from file
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{self.path} cannot be read: {error}") from error


def parse_line(line: bytes) -> Prompt | None:
    """One line, or None where it has no ranking. Raises ValueError with what is wrong."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (byte {error.start})") from error
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    if found.get("ranking") is None:
        return None
    messages = parse_messages(found.get("prompt"))
    texts = parse_responses(found.get("responses"))
    ranks = parse_ranking(found["ranking"], texts)
    responses = tuple(Response(_hash(text), text) for text in texts.values())
    labeller = found.get("labeller")
    ranking = Ranking(
        responses=tuple(response.id for response in responses),
        ranks=tuple(ranks[name] for name in texts),
        labeller=labeller if isinstance(labeller, str) else None,
    )
    content_hash = prompt_hash(messages)
    return Prompt(content_hash, content_hash, messages, responses, (ranking,))


def parse_messages(prompt: Any) -> list[Message]:
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    if not isinstance(prompt, list) or not prompt:
        raise ValueError("prompt must be a text or a list of messages")
    for message in prompt:
        if not isinstance(message, dict) or not all(
            isinstance(message.get(key), str) for key in ("role", "content")
        ):
            raise ValueError("a message must have a role and a content, both texts")
    return [{"role": message["role"], "content": message["content"]} for message in prompt]


def parse_responses(responses: Any) -> dict[str, str]:
    """Text by id, in the file's order."""
    if not isinstance(responses, list) or len(responses) < 2:
        raise ValueError("responses must be a list of at least two")
    texts: dict[str, str] = {}
    for response in responses:
        if not isinstance(response, dict) or not isinstance(response.get("text"), str):
            raise ValueError("a response must have an id and a text")
        name = str(response.get("id"))
        if name in texts:
            raise ValueError(f"response {name} is there twice")
        texts[name] = response["text"]
    if len(set(texts.values())) < len(texts):
        raise ValueError("two responses have the same text")
    return texts


def parse_ranking(groups: Any, texts: dict[str, str]) -> dict[str, int]:
    """Rank by response id, of groups of tied ids, best first."""
    if not isinstance(groups, list) or not all(isinstance(group, list) for group in groups):
        raise ValueError("ranking must be a list of lists of response ids")
    ranks: dict[str, int] = {}
    for rank, group in enumerate((group for group in groups if group), start=1):
        for item in group:
            name = str(item)
            if name not in texts:
                raise ValueError(f"the ranking names {name}, which is no response")
            if name in ranks:
                raise ValueError(f"the ranking names {name} twice")
            ranks[name] = rank
    if missing := [name for name in texts if name not in ranks]:
        raise ValueError(f"response {missing[0]} is missing from the ranking")
    return ranks


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
