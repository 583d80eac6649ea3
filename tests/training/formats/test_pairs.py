"""Pairs of a better and a worse response, in each of their forms."""

import json
import tempfile
from pathlib import Path

import pytest

from training.formats.ranking_file import BadLine, open_ranking_file

USER = {"role": "user", "content": "Why?"}


def says(text):
    return {"role": "assistant", "content": text}


def pair(line):
    """Return what is read of a line of JSON: a Line, or a BadLine."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.jsonl"
        path.write_text(json.dumps(line))
        with open_ranking_file(str(path)) as file:
            (found,) = file
    return found


@pytest.mark.parametrize(
    ("line", "prompt"),
    [
        ({"prompt": "Why?", "chosen": "So.", "rejected": "Ah."}, [USER]),
        ({"prompt": [USER], "chosen": [says("So.")], "rejected": [says("Ah.")]}, [USER]),
        ({"chosen": [USER, says("So.")], "rejected": [USER, says("Ah.")]}, [USER]),
        (
            {"prompt": "Why?", "chosen": [USER, says("So.")], "rejected": [USER, says("Ah.")]},
            [USER],
        ),
        (
            {"prompt": [USER], "chosen": [USER, says("So.")], "rejected": [USER, says("Ah.")]},
            [USER],
        ),
        ({"chosen": "Why? So.", "rejected": "Why? Ah."}, [USER]),
        (
            {
                "chosen": "\n\nHuman: Why?\n\nAssistant: So.",
                "rejected": "\n\nHuman: Why?\n\nAssistant: Ah.",
            },
            [USER],
        ),
    ],
)
def test_a_pair_is_a_ranking_of_two(line, prompt):
    found = pair(line)
    assert found.messages == prompt
    assert [response.text for response in found.responses] == ["So.", "Ah."]
    assert found.ranking == [["chosen"], ["rejected"]]


def test_a_conversation_so_far_is_the_prompt():
    before = [{"role": "system", "content": "Be kind."}, USER, says("Hm."), USER]
    found = pair({"chosen": [*before, says("So.")], "rejected": [*before, says("Ah.")]})
    assert found.messages == before


def test_responses_that_begin_alike_are_not_cut_in_a_word():
    found = pair({"chosen": "Why? Because.", "rejected": "Why? Better not."})
    assert [response.text for response in found.responses] == ["Because.", "Better not."]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (3, "is not a JSON object"),
        ({"prompt": "Why?", "chosen": "So."}, "has no responses"),
        ({"prompt": "Why?", "chosen": "So.", "rejected": 3}, "neither a text nor a message"),
        ({"chosen": "So.", "rejected": "Ah."}, "do not begin with the same one"),
        (
            {"prompt": "?", "chosen": [USER], "rejected": [says("Ah.")]},
            "does not end with a message",
        ),
        ({"prompt": "?", "chosen": [says("a"), USER, says("b")], "rejected": [says("c")]}, "of 3 "),
        ({"prompt": 3, "chosen": [says("a")], "rejected": [says("b")]}, "neither a text nor"),
    ],
)
def test_what_is_no_pair_is_refused_with_a_reason(line, reason):
    found = pair(line)
    assert isinstance(found, BadLine)
    assert reason in found.reason
