"""Files that tests write and read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training.formats.ranking_file import (
    BadLine,
    Line,
    RankingFile,
    RankingFileError,
    ReadOptions,
    open_ranking_file,
)
from training.formats.reading import sentences

Read = Callable[..., list[Line | BadLine]]


LONG_ENOUGH = "Boil it for two minutes, then wait."


class Files:
    """Writes files, reads them, and keeps how the last one was read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file: RankingFile

    def write(self, content: str | bytes, name: str = "file.jsonl") -> str:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def read(self, content: str | bytes, name: str = "file.jsonl", **options: Any) -> list[Line]:
        """Return the lines of a file without bad ones."""
        with open_ranking_file(self.write(content, name), ReadOptions(**options)) as file:
            self.file = file
            lines = list(file)
        assert not [str(line) for line in lines if isinstance(line, BadLine)]
        return lines  # type: ignore[return-value]

    def one(self, content: str | bytes, name: str = "file.jsonl", **options: Any) -> Line:
        (line,) = self.read(content, name, **options)
        return line

    def bad(self, content: str | bytes, name: str = "file.jsonl", **options: Any) -> str:
        """Return the reason of the only line, which is bad."""
        with open_ranking_file(self.write(content, name), ReadOptions(**options)) as file:
            (line,) = file
        assert isinstance(line, BadLine)
        return line.reason

    def refused(self, content: str | bytes, name: str = "file.jsonl", **options: Any) -> str:
        with pytest.raises(RankingFileError) as error:
            self.read(content, name, **options)
        return str(error.value)

    @property
    def said(self) -> list[tuple[str, str]]:
        return list(sentences(self.file.reading.as_dict()))


def record(**keys: Any) -> str:
    return json.dumps(keys)


def order(line: Line) -> list[list[str]]:
    """Return the texts of a line's ranking, as groups of ties, best first."""
    texts = {response.id: response.text for response in line.responses}
    assert line.ranking is not None
    return [[texts[id_] for id_ in group] for group in line.ranking]


def asked(line: Line) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in line.messages]
