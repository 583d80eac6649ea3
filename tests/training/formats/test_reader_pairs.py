"""Pairs as people have them, whatever the names and the order of their keys."""

import pytest

from tests.training.formats.reading import Files, asked, order, record


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("chosen", "rejected"),
        ("response_chosen", "response_rejected"),
        ("chosen_response", "rejected_response"),
        ("preferred_output", "non_preferred_output"),
        ("preferred", "dispreferred"),
        ("Accepted", "Rejected"),
        ("response_j", "response_k"),
        ("y_w", "y_l"),
    ],
)
@pytest.mark.parametrize("prompt", ["prompt", "question", "instruction", "query", "Input"])
def test_pairs_are_found_under_any_of_their_names(
    files: Files, better: str, worse: str, prompt: str
) -> None:
    row = {worse: "Sure! No.", prompt: "Why?", better: "Sure! Yes."}
    for content, name in (
        (record(**row), "pairs.jsonl"),
        (",".join(row) + "\n" + ",".join(row.values()), "pairs.csv"),
    ):
        line = files.one(content, name)
        assert asked(line) == [("user", "Why?")]
        assert order(line) == [["Sure! Yes."], ["Sure! No."]]


def test_a_shared_beginning_is_no_prompt_where_another_text_stands_beside_it(files: Files) -> None:
    reason = files.bad(record(riddle="What is it?", chosen="It is a map.", rejected="It is a hat."))
    assert reason == "has no key that is known as the prompt; not read: 'riddle'"
    line = files.one(record(chosen="It is a map.", rejected="It is a hat.", model="m"))
    assert asked(line) == [("user", "It is a")]
    assert (
        "note",
        "prompts taken from the words with which both responses begin (1)",
    ) in files.said


def test_an_instruction_goes_with_its_input_and_a_question_with_its_context(files: Files) -> None:
    line = files.one(record(instruction="Add.", input="1 2", chosen="3", rejected="4"))
    assert asked(line) == [("user", "Add.\n\n1 2")]
    line = files.one(record(context="Ann is 3.", question="How old?", chosen="3", rejected="4"))
    assert asked(line) == [("user", "Ann is 3.\n\nHow old?")]
    line = files.one(record(instruction="Go.", input="", chosen="3", rejected="4"))
    assert asked(line) == [("user", "Go.")]


def test_a_system_message_and_a_history_come_before_the_prompt(files: Files) -> None:
    line = files.one(
        record(
            system="Be brief.", history=[["Hi.", "Hello."]], prompt="Why?", chosen="a", rejected="b"
        )
    )
    assert asked(line) == [
        ("system", "Be brief."),
        ("user", "Hi."),
        ("assistant", "Hello."),
        ("user", "Why?"),
    ]


def test_a_transcript_is_split_into_messages(files: Files) -> None:
    said = "\n\nHuman: Why?\n\nAssistant: Say more.\n\nHuman: It broke.\n\nAssistant:"
    line = files.one(record(prompt=said, chosen=" a", rejected=" b"))
    assert asked(line) == [("user", "Why?"), ("assistant", "Say more."), ("user", "It broke.")]
    assert ("note", "transcripts were split into messages (1)") in files.said


def test_a_prompt_that_only_mentions_a_speaker_stays_a_text(files: Files) -> None:
    for text in (
        "Human: who are you?",
        "Write as Human: and Assistant: in one line.",
        "A: 1\nB: 2",
    ):
        assert asked(files.one(record(prompt=text, chosen="a", rejected="b"))) == [("user", text)]


def test_messages_have_roles_that_templates_know(files: Files) -> None:
    before = [{"from": "system", "value": "s"}, {"from": "human", "value": "Why?"}]
    line = files.one(
        record(
            chosen=[*before, {"from": "gpt", "value": "a"}],
            rejected=[*before, {"from": "gpt", "value": "b"}],
        )
    )
    assert asked(line) == [("system", "s"), ("user", "Why?")]
    assert order(line) == [["a"], ["b"]]


def test_tool_calls_and_content_parts_are_kept(files: Files) -> None:
    call = {"type": "function", "function": {"name": "find", "arguments": '{"to": "island"}'}}
    prompt = [
        {"role": "user", "content": [{"type": "text", "text": "When?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "name": "find", "content": "09:10"},
    ]
    says = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    line = files.one(record(prompt=prompt, chosen=says, rejected="No."))
    assert asked(line)[0] == ("user", "When?")
    written = '<tool_call>\n{"name": "find", "arguments": {"to": "island"}}\n</tool_call>'
    assert asked(line)[1:] == [("assistant", written), ("tool", "09:10")]
    assert line.responses[0].text == written
    assert ("note", "names of tools in their answers, left out (1)") in files.said


def test_a_json_text_in_a_prompt_or_a_response_stays_as_it_is(files: Files) -> None:
    texts = ('["a", "b"]', '{"a": 1}')
    line = files.one(record(prompt=texts[0], chosen=texts[1], rejected=texts[0]))
    assert asked(line) == [("user", texts[0])]
    assert order(line) == [[texts[1]], [texts[0]]]


def test_several_chosen_are_above_several_rejected(files: Files) -> None:
    line = files.one(record(prompt="Why?", chosen=["a"], rejected=["b", "c", "d"]))
    assert order(line) == [["a"], ["b", "c", "d"]]
