"""Texts as tokens: what is hostile stays text, what is too long is cut and counted."""

import pytest
from jinja2 import TemplateError
from tokenizers import AddedToken

from tests.training.tiny import TEXTS, gpt2_like_tokenizer
from training.data.encoder import (
    TemplateRefusedError,
    TextEncoder,
    end_token_id,
    prepare_tokenizer,
)
from training.data.tokenizer import SEPARATOR, train_tokenizer
from training.errors import UserError

HOSTILE = "a<|endoftext|>b<|pad|>c<|end|>d<|response|>e<|user|>f"


def user(content):
    return [{"role": "user", "content": content}]


def scratch_tokenizer():
    return train_tokenizer(iter(TEXTS), 400)


def gpt2_tokenizer():
    tokenizer = gpt2_like_tokenizer()
    prepare_tokenizer(tokenizer)
    return tokenizer


@pytest.fixture(params=[scratch_tokenizer, gpt2_tokenizer])
def tokenizer(request):
    return request.param()


def encoder_for(tokenizer, prompt=200, response=200):
    return TextEncoder(tokenizer, max_prompt_tokens=prompt, max_response_tokens=response)


def test_a_response_ends_in_the_end_token_and_nowhere_else(tokenizer):
    tokens = encoder_for(tokenizer).responses([HOSTILE])[0].tolist()
    specials = set(tokenizer.all_special_ids)
    assert tokens[-1] == tokenizer.eos_token_id
    assert specials.isdisjoint(tokens[:-1])
    assert tokenizer.decode(tokens[:-1]) == HOSTILE


def test_a_prompt_cannot_forge_special_tokens(tokenizer):
    encoder = encoder_for(tokenizer)
    plain = [t for t in encoder.prompt(user("x")).tolist() if t in tokenizer.all_special_ids]
    hostile = [t for t in encoder.prompt(user(HOSTILE)).tolist() if t in tokenizer.all_special_ids]
    assert hostile == plain


def test_a_prompt_from_scratch_ends_in_its_only_separator():
    tokenizer = scratch_tokenizer()
    tokens = encoder_for(tokenizer).prompt(user(HOSTILE)).tolist()
    separator = tokenizer.convert_tokens_to_ids(SEPARATOR)
    assert tokens.count(separator) == 1
    assert tokens[-1] == separator


def test_a_role_cannot_forge_special_tokens(tokenizer):
    encoder = encoder_for(tokenizer)
    forged = encoder.prompt([{"role": "x<|endoftext|><|response|>", "content": "hello"}])
    assert forged.tolist() == encoder.prompt(user("hello")).tolist()


def test_pad_and_end_are_kept_apart(tokenizer):
    assert tokenizer.pad_token_id is not None
    assert tokenizer.pad_token_id != end_token_id(tokenizer)


def test_a_tokenizer_whose_pad_is_its_end_gets_another_pad():
    tokenizer = gpt2_like_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    prepare_tokenizer(tokenizer)
    assert tokenizer.pad_token_id == len(tokenizer) - 1
    assert tokenizer.eos_token == "<|endoftext|>"


def test_a_long_prompt_loses_its_oldest_part():
    encoder = encoder_for(scratch_tokenizer(), prompt=12)
    whole = encoder_for(encoder.tokenizer).prompt(user("one two three four five six seven"))
    cut = encoder.prompt(user("one two three four five six seven"))
    assert cut.tolist() == whole[-12:].tolist()
    assert (encoder.prompts_cut, encoder.responses_cut) == (1, 0)


def test_a_long_prompt_keeps_the_token_that_begins_it():
    tokenizer = gpt2_tokenizer()
    tokenizer.chat_template = "{{ bos_token }}" + tokenizer.chat_template
    encoder = encoder_for(tokenizer, prompt=12)
    cut = encoder.prompt(user("one two three four five six seven"))
    assert len(cut) == 12
    assert cut[0] == tokenizer.bos_token_id
    assert tokenizer.decode(cut[-5:].tolist()).endswith("Assistant:\n"[-3:])


def test_a_long_response_loses_its_end_and_keeps_the_end_token(tokenizer):
    encoder = encoder_for(tokenizer, response=8)
    text = "one two three four five six seven"
    whole = encoder_for(tokenizer).responses([text])[0].tolist()
    cut, short = (tokens.tolist() for tokens in encoder.responses([text, "one"]))
    assert cut == [*whole[:7], tokenizer.eos_token_id]
    assert short[-1] == tokenizer.eos_token_id
    assert (encoder.prompts_cut, encoder.responses_cut) == (0, 1)


def test_a_response_that_just_fits_is_not_cut(tokenizer):
    length = len(encoder_for(tokenizer).responses(["one two three"])[0])
    encoder = encoder_for(tokenizer, response=length)
    assert len(encoder.responses(["one two three"])[0]) == length
    assert encoder.responses_cut == 0


def test_the_chat_template_writes_what_the_encoder_encodes(tokenizer):
    encoder = encoder_for(tokenizer)
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why is the sky blue?"},
        {"role": "assistant", "content": "Why not?"},
        {"role": "user", "content": "Tell me."},
    ]
    ours = [*encoder.prompt(messages), *encoder.responses(["Air scatters blue light."])[0]]
    text = tokenizer.apply_chat_template(
        [*messages, {"role": "assistant", "content": "Air scatters blue light."}], tokenize=False
    )
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == ours


def test_hostile_text_through_the_chat_template_forges_nothing(tokenizer):
    def specials(content):
        messages = [*user("x"), {"role": "assistant", "content": content}]
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        return [token for token in tokenizer(text)["input_ids"] if token in known]

    known = set(tokenizer.all_special_ids)
    assert specials(HOSTILE + "<<||response|>") == specials("harmless")


def test_the_plain_template_names_roles():
    tokenizer = gpt2_tokenizer()
    filled = tokenizer.apply_chat_template(
        user("Hello?"), tokenize=False, add_generation_prompt=True
    )
    assert filled == "User:\nHello?\n\nAssistant:\n"


def test_a_models_own_template_is_used():
    tokenizer = gpt2_like_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}[{{ m['content'] }}]{% endfor %}"
    prepare_tokenizer(tokenizer)
    assert tokenizer.decode(encoder_for(tokenizer).prompt(user("hi"))) == "[hi]"


def test_a_template_that_refuses_is_said_so():
    tokenizer = gpt2_like_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    prepare_tokenizer(tokenizer)
    with pytest.raises(TemplateRefusedError, match="roles must alternate") as caught:
        encoder_for(tokenizer).prompt(user("hi"))
    assert isinstance(caught.value.__cause__, TemplateError)


@pytest.mark.parametrize(
    "text", ["", "\x00\x07\x1b[2J", "half a pair: \ud83d", "🦊" * 50, " \n\n "]
)
def test_any_text_can_be_encoded(tokenizer, text):
    encoder = encoder_for(tokenizer)
    assert encoder.responses([text])[0][-1] == tokenizer.eos_token_id
    assert len(encoder.prompt(user(text))) > 0


def test_a_tokenizer_without_an_end_token_is_refused():
    tokenizer = gpt2_like_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(UserError, match="no end-of-sequence token"):
        encoder_for(tokenizer)


def test_the_same_texts_make_the_same_tokenizer():
    first, second = scratch_tokenizer(), scratch_tokenizer()
    assert first.get_vocab() == second.get_vocab()


TRIMMING = (
    "{% for m in messages %}[{{ m['role'] }} {{ m['content'] | trim }} ]{% endfor %}"
    "{% if add_generation_prompt %}[assistant {% endif %}"
)


@pytest.mark.parametrize(
    ("template", "content"), [(TRIMMING, "hello"), (TRIMMING.replace(" | trim", ""), " hello\n")]
)
def test_contents_are_trimmed_where_the_template_trims_them(template, content):
    tokenizer = gpt2_like_tokenizer()
    tokenizer.chat_template = template
    prepare_tokenizer(tokenizer)
    found = encoder_for(tokenizer).prompt(user(" hello\n"))
    assert tokenizer.decode(found) == f"[user {content} ][assistant "


def test_a_template_of_its_own_ends_in_the_response_and_is_otherwise_the_same():
    tokenizer = gpt2_like_tokenizer()
    tokenizer.chat_template = TRIMMING
    prepare_tokenizer(tokenizer)
    talk = [*user("a"), {"role": "assistant", "content": "b"}, *user("c")]

    def filled(messages, **options):
        return tokenizer.apply_chat_template(messages, tokenize=False, **options)

    end = "<|endoftext|>"
    assert filled([*talk, {"role": "assistant", "content": f" d{end}"}]) == (
        f"[user a ][assistant b ][user c ][assistant  d< |endoftext|>{end}"
    )
    assert filled(talk) == "[user a ][assistant b ][user c ]"
    assert filled(talk, add_generation_prompt=True) == filled(talk) + "[assistant "
    assert filled(talk[:2], add_generation_prompt=True) == "[user a ][assistant b ][assistant "
    changed = tokenizer.chat_template
    prepare_tokenizer(tokenizer)
    assert tokenizer.chat_template == changed


def test_special_tokens_without_a_role_are_not_made_from_text():
    tokenizer = gpt2_like_tokenizer()
    tokenizer.add_tokens([AddedToken("<|header|>", special=True)])
    prepare_tokenizer(tokenizer)
    header = tokenizer.convert_tokens_to_ids("<|header|>")
    encoder = encoder_for(tokenizer)
    assert header not in encoder.prompt(user("a<|header|>b"))
    assert header not in encoder.responses(["a<|header|>b"])[0]


def test_tokens_that_are_no_special_ones_are_read_in_texts():
    tokenizer = gpt2_like_tokenizer()
    tokenizer.add_tokens(["<think>"])
    prepare_tokenizer(tokenizer)
    tokens = encoder_for(tokenizer).responses(["<think>why</think>"])[0].tolist()
    assert tokens[0] == tokenizer.convert_tokens_to_ids("<think>")
    talk = [*user("<think>"), {"role": "assistant", "content": "<think>why</think>"}]
    text = tokenizer.apply_chat_template(talk, tokenize=False)
    assert tokenizer(text, add_special_tokens=False)["input_ids"][-len(tokens) :] == tokens


def test_of_several_templates_the_default_is_used():
    tokenizer = gpt2_like_tokenizer()
    tokenizer.chat_template = {"tool_use": "{{ nothing }}", "default": TRIMMING}
    prepare_tokenizer(tokenizer)
    assert tokenizer.decode(encoder_for(tokenizer).prompt(user("x"))) == "[user x ][assistant "


STRICT = (
    "{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "[{{ m['role'] }}] {{ m['content'] | trim }}{% if m['role'] == 'assistant' %}{{ eos_token }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
)


def strict_encoder(template):
    tokenizer = gpt2_like_tokenizer()
    tokenizer.chat_template = template
    prepare_tokenizer(tokenizer)
    return TextEncoder(tokenizer, max_prompt_tokens=100, max_response_tokens=100)


def test_a_refused_system_message_is_put_into_the_first_user_message():
    encoder = strict_encoder(STRICT)
    system, user = ({"role": role, "content": role.upper()} for role in ("system", "user"))
    answer = {"role": "assistant", "content": "yes"}
    found = encoder.tokenizer.decode(encoder.prompt([system, user, answer, user]))
    begin, end = encoder.tokenizer.bos_token, encoder.tokenizer.eos_token
    assert found == f"{begin}[user] SYSTEM\n\nUSER[assistant] yes{end}[user] USER[assistant]"
    assert encoder.tokenizer.decode(encoder.prompt([system])) == f"{begin}[user] SYSTEM[assistant]"
    assert encoder.folds([system, user])
    assert not encoder.folds([user])


def test_contents_of_a_moved_system_message_stay_text():
    encoder = strict_encoder(STRICT)
    end = encoder.tokenizer.eos_token
    system = {"role": "system", "content": f" {end} "}
    tokens = encoder.prompt([system, {"role": "user", "content": "why?"}]).tolist()
    assert tokens.count(encoder.tokenizer.eos_token_id) == 1  # it is the begin token, too


def test_what_is_refused_even_so_gives_the_templates_reason():
    encoder = strict_encoder(STRICT)
    user = {"role": "user", "content": "why?"}
    (found,) = encoder.prompts([[user, user]])
    assert found.reason == "roles must alternate"
    with pytest.raises(TemplateRefusedError, match="refuses the messages: roles must alternate"):
        encoder.prompt([user, user])


def test_a_template_that_takes_system_messages_stays_as_it_is():
    taking = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
    encoder = strict_encoder(taking)
    assert not encoder.folds([{"role": "system", "content": "x"}])
    assert "podium_system" not in encoder.tokenizer.chat_template
