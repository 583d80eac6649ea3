"""Open Assistant's message trees."""

import json

import pytest

from training.formats.ranking_file import BadLine, open_ranking_file


def message(id_, role, text, *replies, rank=None, **fields):
    known = {"message_id": id_, "role": role, "text": text, "rank": rank, "replies": list(replies)}
    return known | {"lang": "en", "deleted": False, "synthetic": False, "model_name": None} | fields


def asks(id_, text, *replies, **fields):
    return message(id_, "prompter", text, *replies, **fields)


def answers(id_, rank, *replies, **fields):
    return message(id_, "assistant", f"text {id_}", *replies, **{"rank": rank} | fields)


@pytest.fixture
def read(tmp_path):
    def read(*trees):
        path = tmp_path / "2023-04-12_oasst_ready.trees.jsonl"
        lines = [
            tree
            if isinstance(tree, str)
            else json.dumps(
                {"message_tree_id": "t", "tree_state": "ready_for_export", "prompt": tree}
            )
            for tree in trees
        ]
        path.write_text("\n".join(lines))
        with open_ranking_file(str(path)) as file:
            assert file.format == "oasst"
            return list(file)

    return read


def test_ranked_replies_are_a_ranking(read):
    (line,) = read(asks("p", "Why?", answers("a", 1), answers("b", 0), answers("c", 2)))
    assert line.messages == [{"role": "user", "content": "Why?"}]
    assert line.external_id == "p"
    assert line.ranking == [["b"], ["a"], ["c"]]
    assert {response.id: response.text for response in line.responses}["a"] == "text a"


def test_each_message_with_ranked_replies_has_the_conversation_so_far(read):
    deeper = asks("q", "And?", answers("c", 0), answers("d", 1))
    first, second = read(asks("p", "Why?", answers("a", 0, deeper), answers("b", 1)))
    assert first.external_id == "p"
    assert [m["content"] for m in second.messages] == ["Why?", "text a", "And?"]
    assert [m["role"] for m in second.messages] == ["user", "assistant", "user"]
    assert (first.number, second.number) == (1, 1)


def test_replies_without_a_rank_are_left_out_of_a_ranking(read):
    (line,) = read(asks("p", "Why?", answers("a", 0), answers("b", None), answers("c", 1)))
    assert [response.id for response in line.responses] == ["a", "c"]


def test_four_replies_without_ranks_are_a_prompt_to_be_labelled(read):
    (line,) = read(asks("p", "Why?", *(answers(id_, None) for id_ in "abcd")))
    assert line.ranking is None
    assert len(line.responses) == 4


def test_what_cannot_be_ranked_is_passed_over(read):
    assert read(asks("p", "Why?", answers("a", 0)), asks("q", "Who?")) == []


def test_deleted_messages_are_left_out_and_all_that_hangs_on_them(read):
    deeper = asks("q", "And?", answers("x", 0), answers("y", 1), deleted=True)
    replies = (answers("a", 0, deeper), answers("b", 1, deleted=True), answers("c", 2))
    (line,) = read(asks("p", "Why?", *replies))
    assert line.ranking == [["a"], ["c"]]


def test_a_reply_that_a_model_wrote_names_it_as_its_source(read):
    machine = answers("a", 0, synthetic=True, model_name="llama")
    (line,) = read(asks("p", "Why?", machine, answers("b", 1)))
    assert [response.source for response in line.responses] == ["llama", ""]


def test_of_replies_that_say_the_same_the_better_ranked_counts(read):
    twice = [answers("a", 2) | {"text": "Same."}, answers("b", 0) | {"text": "Same."}]
    (line,) = read(asks("p", "Why?", *twice, answers("c", 1)))
    assert line.ranking == [["b"], ["c"]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "is not JSON"),
        ('{"message_tree_id": "t"}', "is not a message tree"),
        ('{"message_tree_id": "t", "prompt": {"role": "prompter"}}', "a message without text"),
        ('{"message_tree_id": "t", "prompt": {"role": "prompter", "text": "", "replies": 3}}',
         "has replies that are not a list"),
    ],
)  # fmt: skip
def test_a_bad_tree_is_named_by_its_line(read, line, reason):
    good = asks("p", "Why?", answers("a", 0), answers("b", 1))
    first, bad = read(good, line)
    assert first.number == 1
    assert isinstance(bad, BadLine)
    assert bad.number == 2
    assert reason in bad.reason
