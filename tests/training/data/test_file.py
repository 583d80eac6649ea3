"""Rankings from a JSONL file."""

import gzip
import json

import pytest

from tests.training.tiny import ranking_lines, write_rankings
from training.data.file import FileSource
from training.errors import UserError
from training.rankings import UNRANKED, prompt_hash

GOOD = {
    "prompt": "Why?",
    "responses": [{"id": "a", "text": "So."}, {"id": "b", "text": "Ah."}, {"id": "c", "text": "!"}],
    "ranking": [["b"], ["a", "c"]],
    "labeller": "ann",
}


def read(tmp_path, *lines):
    path = tmp_path / "rankings.jsonl"
    path.write_bytes(
        b"\n".join(x if isinstance(x, bytes) else json.dumps(x).encode() for x in lines)
    )
    return list(FileSource(path).prompts())


def test_a_line_is_a_prompt_with_a_ranking(tmp_path):
    (prompt,) = read(tmp_path, GOOD)
    assert prompt.messages == [{"role": "user", "content": "Why?"}]
    assert prompt.content_hash == prompt.id == prompt_hash(prompt.messages)
    assert [response.text for response in prompt.responses] == ["So.", "Ah.", "!"]
    (ranking,) = prompt.rankings
    assert ranking.ranks == (2, 1, 2)
    assert ranking.labeller == "ann"


def test_a_partial_ranking_leaves_the_others_unranked(tmp_path):
    (prompt,) = read(tmp_path, GOOD | {"ranking": [["b"]], "unranked": ["a", "c"]})
    assert prompt.rankings[0].ranks == (UNRANKED, 1, UNRANKED)


def test_a_response_is_known_by_its_text(tmp_path):
    renamed = json.loads(json.dumps(GOOD).replace('"a"', '"z"'))
    first, second = read(tmp_path, GOOD, renamed)
    assert first.responses == second.responses


def test_a_prompt_may_be_messages(tmp_path):
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}]
    (prompt,) = read(tmp_path, GOOD | {"prompt": messages})
    assert prompt.messages == messages


def test_empty_lines_and_lines_without_a_ranking_are_passed_over(tmp_path):
    unranked = {key: value for key, value in GOOD.items() if key != "ranking"}
    assert len(read(tmp_path, b"", unranked, GOOD, b"  ", GOOD | {"ranking": None})) == 1


def test_a_compressed_file_reads_the_same(tmp_path):
    plain = write_rankings(tmp_path / "rankings.jsonl", ranking_lines(3))
    packed = write_rankings(tmp_path / "rankings.jsonl.gz", ranking_lines(3))
    assert list(FileSource(plain).prompts()) == list(FileSource(packed).prompts())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "is not JSON"),
        (b'"\xff"', "is not UTF-8"),
        (GOOD | {"ranking": [["b"], ["a"]]}, "has no rank for the response 'c'"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, reason):
    """The same reader serves imports; tests/labelapp/importing/test_importer.py has more cases."""
    with pytest.raises(UserError, match=f"line 2: {reason}"):
        read(tmp_path, GOOD, line)


def test_the_classic_table_is_read(tmp_path):
    path = tmp_path / "rankings.csv"
    path.write_text("Prompt|Most|Some|Least\nWhy?|So.|Ah.|!\n")
    (prompt,) = FileSource(path).prompts()
    assert [response.text for response in prompt.responses] == ["So.", "Ah.", "!"]
    assert prompt.rankings[0].ranks == (1, 2, 3)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.jsonl does not exist"):
        FileSource(tmp_path / "nowhere.jsonl")


def test_a_file_that_breaks_off_is_named(tmp_path):
    path = tmp_path / "half.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(GOOD).encode())[:-12])
    with pytest.raises(UserError, match="damaged or cut short"):
        list(FileSource(path).prompts())


def test_a_file_that_cannot_be_read_is_the_subject_of_the_sentence(tmp_path):
    path = tmp_path / "saved.jsonl"
    path.write_text("<html>")
    problem = f"{path} is a page of HTML: save it as JSON lines, CSV or Parquet"
    with pytest.raises(UserError) as error:
        FileSource(path).how_read()
    assert str(error.value) == problem
    with pytest.raises(UserError) as error:
        list(FileSource(path).lines())
    assert str(error.value) == problem


def test_an_empty_file_holds_no_prompts(tmp_path):
    path = tmp_path / "empty.jsonl"
    path.touch()
    assert FileSource(path).how_read() == "empty.jsonl holds no prompts"
