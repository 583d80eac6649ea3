"""Sentences that remember what they were made of."""

import copy
import pickle

import pytest

from training.sentences import (
    Sentence,
    counted,
    from_json,
    plural_sentence,
    quoted,
    sentence,
    to_json,
)


def test_a_sentence_is_the_english_text() -> None:
    said = sentence("has %(count)s keys, of which %(key)s is one", count=1234, key="'a'")
    assert said == "has 1,234 keys, of which 'a' is one"
    assert (said.template, said.values["count"]) == (
        "has %(count)s keys, of which %(key)s is one",
        1234,
    )


@pytest.mark.parametrize(("count", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")])
def test_a_plural_is_chosen_by_the_count(count: int, said: str) -> None:
    assert plural_sentence("%(count)s row", "%(count)s rows", count) == said


def test_a_value_with_a_capital_in_its_name_begins_a_sentence() -> None:
    assert sentence("%(Problem)s.", Problem="the file is empty") == "The file is empty."


def test_an_error_keeps_its_sentence() -> None:
    error = ValueError(sentence("has the id %(id)s", id="7"))
    assert isinstance(str(error), Sentence)
    assert f"{error}" == "has the id 7"


def test_what_a_file_holds_is_not_taken_for_a_template() -> None:
    said = sentence("has an empty response: %(id)s", id="100 %(name)s")
    assert said == "has an empty response: 100 %(name)s"
    assert quoted("50 % of %(it)s") == "50 % of %(it)s"
    assert quoted(said) is said


def test_a_sentence_survives_being_stored() -> None:
    inner = plural_sentence("%(count)s row", "%(count)s rows", 2000)
    said = sentence("has %(rows)s in %(name)s", rows=inner, name="x")
    for again in (
        from_json(to_json(said)),
        copy.deepcopy(said),
        pickle.loads(pickle.dumps(said)),  # noqa: S301 - our own
    ):
        assert again == "has 2,000 rows in x"
        assert isinstance(again, Sentence)
        assert isinstance(again.values["rows"], Sentence)
        assert not isinstance(again.values["name"], Sentence)


def test_a_text_of_an_earlier_version_is_read_as_it_is() -> None:
    assert from_json("has an empty prompt") == "has an empty prompt"
    assert to_json("has an empty prompt") == "has an empty prompt"


def test_a_long_sentence_is_cut_with_its_values() -> None:
    said = sentence("has %(inner)s", inner=sentence("the keys %(keys)s", keys="k" * 5000))
    short = said.shortened(300)
    assert short == f"{said[:300]}…"
    assert len(str(to_json(short))) < 1000
    assert isinstance(from_json(to_json(short)), Sentence)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 responses"), (1, "1 response"), (2, "2 responses"), (5281, "5,281 responses")],
)
def test_a_noun_is_in_the_singular_after_one_alone(count: int, text: str) -> None:
    assert counted(count, "response") == text


def test_a_verb_agrees_with_its_number() -> None:
    assert counted(1, "prompt waits", "prompts wait") == "1 prompt waits"
    assert counted(0, "prompt waits", "prompts wait") == "0 prompts wait"
