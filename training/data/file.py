"""Read rankings from a file in one of the formats of docs/data-format.md."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.data.source import Prompt, Response, Tick, ignore
from training.errors import UserError
from training.formats.lines import AmbiguousError, problem_of
from training.formats.ranking_file import BadLine, Line, RankingFileError, open_ranking_file
from training.formats.reading import SHAPES, sentences
from training.rankings import Ranking, prompt_hash
from training.runs.digest import file_sha256


class FileSource:
    """Read a file as a stream. Prompts and responses are identified by their hashes."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = self.path.name
        if not self.path.is_file():
            raise UserError(f"rankings file {path} does not exist")

    def identity(self) -> str:
        """Return the SHA-256 of the contents."""
        return file_sha256(self.path)

    def ranking_versions(self) -> list[dict[str, Any]]:
        """Return nothing: the rankings of a file have no versions."""
        return []

    def how_read(self) -> str:
        """Return how the file is read, by its first lines. Raises UserError if it cannot be."""
        try:
            with open_ranking_file(str(self.path)) as file:
                is_empty = next(iter(file), None) is None
                reading = file.reading.as_dict()
        except RankingFileError as error:
            raise UserError(problem_of(str(self.path), reason(error))) from error
        fields = ", ".join(
            f"{name} from {text}"
            for name, text in sentences(reading)
            if name not in ("file", "read as", "note", "not read", "gave nothing")
        )
        if is_empty:
            return f"{self.path.name} holds no prompts"
        shape = "".join(f" as {SHAPES[shape]}" for shape in list(reading["shapes"])[:1])
        return f"reading {self.path.name}{shape}" + (f": {fields}" if fields else "")

    def size(self) -> int:
        """Return the size in bytes."""
        return self.path.stat().st_size

    def lines(self, tick: Tick = ignore, *, rankings: bool = True) -> Iterator[Line]:
        """Yield the lines. Without `rankings`, those of the file are not looked at.

        `tick` is called after each line with the bytes read. Raises UserError naming a line that is
        wrong.
        """
        try:
            with open_ranking_file(str(self.path), rankings=rankings) as file:
                for line in file:
                    if isinstance(line, BadLine):
                        raise UserError(f"{self.path}, {line}")
                    yield line
                    tick(file.raw.tell())
        except RankingFileError as error:
            raise UserError(problem_of(str(self.path), reason(error))) from error

    def prompts(self, tick: Tick = ignore) -> Iterator[Prompt]:
        """Yield a prompt for each line with a current ranking. Raises UserError."""
        for line in self.lines(tick):
            stands = line.details is None or line.details.current
            if line.ranking is not None and stands:
                yield to_prompt(line)


def reason(error: RankingFileError) -> str:
    """Return why a file cannot be read, without the options that only an import has."""
    if isinstance(error, AmbiguousError):
        return f"{error.problem}. Import it into a project, where you can say what it means"
    return str(error)


def to_prompt(line: Line) -> Prompt:
    """Return a line as a prompt with one ranking."""
    ranks = line.ranks
    responses = tuple(
        Response(hashlib.sha256(response.text.encode()).hexdigest(), response.text)
        for response in line.responses
    )
    ranking = Ranking(
        responses=tuple(response.id for response in responses),
        ranks=tuple(ranks[response.id] for response in line.responses),
        labeller=line.labeller,
        kind="adjudicated" if line.details and line.details.origin == "adjudicated" else "own",
    )
    content_hash = prompt_hash(line.messages)
    return Prompt(content_hash, content_hash, line.messages, responses, (ranking,))
