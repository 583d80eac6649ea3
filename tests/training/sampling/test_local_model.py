"""Responses from a causal language model."""

import pytest
from transformers import AutoTokenizer

from tests.training.tiny import save_pretrained_folder
from training.errors import UserError
from training.sampling.local_model import Model

ASKED = [{"messages": [{"role": "user", "content": "Why is the sky blue?"}], "count": 3}]


def texts(model, temperature=1.0, seed=0, prompts=ASKED):
    answer = model.sample({"id": 1, "temperature": temperature, "seed": seed, "prompts": prompts})
    return [found["texts"] for found in answer["found"]]


@pytest.fixture(scope="module")
def model(gpt2_folder):
    return Model(str(gpt2_folder), max_new_tokens=8, top_p=0.95)


def test_as_many_responses_come_as_are_asked_for(model):
    other = {"messages": [{"role": "user", "content": "Who?"}], "count": 2}
    assert [len(found) for found in texts(model, prompts=[*ASKED, other])] == [3, 2]


def test_the_same_seed_gives_the_same_responses(model):
    assert texts(model, seed=1) == texts(model, seed=1)
    assert texts(model, seed=1) != texts(model, seed=2)


def test_without_temperature_all_are_alike(model):
    ((first, *others),) = texts(model, temperature=0)
    assert {first} == {*others}


def test_what_is_cut_is_counted(model):
    tokens = model.tokenizer("one two three four five six seven eight nine")["input_ids"]
    end = model.tokenizer.eos_token_id
    assert model.text(tokens[:8])[1]
    assert not model.text([*tokens[:3], end, *tokens[3:7]])[1]


def test_a_prompt_that_is_too_long_is_refused_and_the_others_are_not(model):
    long = {"messages": [{"role": "user", "content": "word " * 500}], "count": 2}
    answer = model.sample({"id": 1, "temperature": 1.0, "seed": 0, "prompts": [long, *ASKED]})
    assert "more than the 128 that the model reads" in answer["found"][0]["error"]
    assert len(answer["found"][1]["texts"]) == 3


def test_a_chat_template_is_used_where_there_is_one(tmp_path):
    folder = save_pretrained_folder(tmp_path / "chat", "qwen2")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
    )
    tokenizer.save_pretrained(folder)
    model = Model(str(folder), max_new_tokens=4, top_p=1.0)
    assert (
        model.tokenizer.decode(model.tokens(ASKED[0]["messages"])) == "<user>Why is the sky blue?"
    )


def test_a_system_message_that_the_template_refuses_goes_into_the_first_user_message(tmp_path):
    folder = save_pretrained_folder(tmp_path / "chat", "qwen2")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = (
        "{% for m in messages %}"
        "{% if m['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
    )
    tokenizer.save_pretrained(folder)
    model = Model(str(folder), max_new_tokens=4, top_p=1.0)
    system, user = {"role": "system", "content": "Be brief."}, ASKED[0]["messages"][0]
    joined = {"role": "user", "content": f"Be brief.\n\n{user['content']}"}
    assert model.tokens([system, user]) == model.tokens([joined])
    ((one,),) = texts(model, prompts=[{"messages": [system, user], "count": 1}])
    assert isinstance(one, str)


def test_a_model_without_one_does_not_go_on_to_ask_the_next_question(model):
    tokens = model.tokenizer("So.\n\nUser:\nAnd?")["input_ids"]
    assert model.text(tokens) == ("So.", False)


def test_a_folder_that_is_no_model_is_named(tmp_path):
    with pytest.raises(UserError, match="cannot be loaded"):
        Model(str(tmp_path), max_new_tokens=4, top_p=1.0)
