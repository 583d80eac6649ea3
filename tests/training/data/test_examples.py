"""The example rankings are read completely, and name their authors where a licence asks for it."""

import re
from pathlib import Path

import pytest

from training.data.file import FileSource

ADDRESS = r"https://([a-z]+)(?:\.stackexchange)?\.com/a/\d+ by user (?:\d+|\(deleted\))"
EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize(
    ("name", "rankings", "prompts"), [("pandalm", 219, 73), ("stackexchange", 308, 308)]
)
def test_every_line_of_an_example_is_a_ranking(name, rankings, prompts):
    found = [prompt.id for prompt in FileSource(EXAMPLES / f"{name}.jsonl.gz").prompts()]
    assert (len(found), len(set(found))) == (rankings, prompts)


def test_every_answer_has_its_address_and_its_author():
    sites = (EXAMPLES / "stackexchange.LICENSE.md").read_text()
    for line in FileSource(EXAMPLES / "stackexchange.jsonl.gz").lines():
        for answer in line.responses:
            said = re.fullmatch(ADDRESS, answer.source)
            assert said, answer.source
            assert said[1] in sites
