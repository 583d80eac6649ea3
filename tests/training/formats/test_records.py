"""Formats of ranking files, told by how a file begins."""

import gzip
import io
import json
import re
from pathlib import Path

import pytest

from training.formats.ranking_file import (
    BadLine,
    RankingFileError,
    ReadOptions,
    open_ranking_file,
)

RANKING = (
    '{"prompt": "Why?", "responses": [{"text": "a"}, {"text": "b"}], "ranking": [["0"], ["1"]]}'
)
PAIR = '{"prompt": "Why?", "chosen": "a", "rejected": "b"}'
TREE = '{"message_tree_id": "t", "prompt": {"role": "prompter", "text": "Why?", "replies": []}}'
CLASSIC = "Prompt|Most preferable response|Least preferable response\nWhy?|a|b\n"
LONG = "prompt,response,rank\nWhy?,a,1\nWhy?,b,2\n"
DOCS = Path(__file__).resolve().parents[3] / "docs" / "data-format.md"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        (RANKING, "x", "jsonl"),
        ("\ufeff" + RANKING, "x", "jsonl"),
        (RANKING, "x.csv", "jsonl"),
        ("not JSON", "x.jsonl", "jsonl"),
        ("", "x.jsonl", "jsonl"),
        ("", "x.csv", "jsonl"),
        ("{broken\n\n" + PAIR, "x.jsonl", "trl"),
        (PAIR, "x.json", "trl"),
        (TREE, "x.jsonl", "oasst"),
        (CLASSIC, "x.csv", "csv"),
        (LONG, "x.csv", "long"),
        (LONG, "x", "long"),
        ("prompt,chosen,rejected\n", "x.csv", "trl"),
    ],
)
def test_a_format_is_told_by_the_beginning(tmp_path, text, name, expected, packed):
    path = tmp_path / (name + ".gz" if packed else name)
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    with open_ranking_file(str(path)) as file:
        assert file.format == expected


@pytest.mark.parametrize(("text", "count"), [(RANKING, 1), (PAIR, 1), (TREE, 0), (LONG, 1)])
def test_a_pipe_is_read_from_its_first_line_on(monkeypatch, text, count):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    with open_ranking_file("-") as file:
        lines = list(file)
    assert len(lines) == count
    assert not any(isinstance(line, BadLine) for line in lines)


def test_a_format_that_is_given_is_taken(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(LONG)
    with open_ranking_file(str(path), ReadOptions(format="csv")) as file:
        assert [len(line.responses) for line in file] == [2, 2]


def test_a_cut_gzip_file_is_named_when_its_format_is_asked_for(tmp_path):
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(RANKING.encode())[:-12])
    with pytest.raises(RankingFileError, match="damaged or cut short"):
        open_ranking_file(str(path)).__enter__()


@pytest.mark.parametrize(
    ("heading", "expected", "count"),
    [
        ("Ranking JSONL", "jsonl", 1),
        ("The classic CSV", "csv", 1),
        ("Tables in long form", "long", 2),
        ("Pairs of TRL", "trl", 3),
        ("Open Assistant's trees", "oasst", 1),
    ],
)
def test_the_examples_of_the_documentation_are_read(tmp_path, heading, expected, count):
    section = re.split(r"^## ", DOCS.read_text(), flags=re.MULTILINE)
    (section,) = [part for part in section if part.startswith(f"{heading}\n")]
    fenced = re.search(r"```\w*\n(.*?)```", section, re.DOTALL)
    indented = re.search(r"\n\n((?:    .*\n)+)", section)
    example = fenced[1] if fenced else re.sub(r"^    ", "", indented[1], flags=re.MULTILINE)
    path = tmp_path / "example"
    path.write_text(example)
    with open_ranking_file(str(path), ReadOptions(format=expected)) as file:
        lines = list(file)
    assert not any(isinstance(line, BadLine) for line in lines), json.dumps(list(map(str, lines)))
    assert len(lines) == count
