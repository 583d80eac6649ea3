"""Read files of prompts that still lack responses.

They are read like files of rankings, in which a line needs no responses; a text holds one prompt on
each line. docs/sampling.md describes them. No torch: the web imports this file.
"""

from __future__ import annotations

from collections.abc import Iterator

from training.formats.ranking_file import BadLine, Line, RankingFileError, open_ranking_file

OF_RANKINGS = ("trl", "sides", "oasst", "labelstudio", "argilla")


def read_prompts(path: str) -> Iterator[Line | BadLine]:
    """Yield the prompts of a file, packed or not; `-` is standard input. Some have responses.

    Raises RankingFileError where the file is not there, cannot be read, or has no prompts.
    """
    with open_ranking_file(path, rankings=False, prompts=True) as file:
        if file.format in OF_RANKINGS:
            raise RankingFileError("holds rankings: import them with import_rankings")
        yield from file
