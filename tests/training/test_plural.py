"""Numbers with their nouns."""

import pytest

from training.plural import counted


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 responses"), (1, "1 response"), (2, "2 responses"), (5281, "5,281 responses")],
)
def test_a_noun_is_in_the_singular_after_one_alone(count: int, text: str) -> None:
    assert counted(count, "response") == text


def test_a_verb_agrees_with_its_number() -> None:
    assert counted(1, "prompt waits", "prompts wait") == "1 prompt waits"
    assert counted(0, "prompt waits", "prompts wait") == "0 prompts wait"
