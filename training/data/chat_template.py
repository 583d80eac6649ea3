"""Chat templates: one for models that have none, and a response's end for those that have one.

Whoever uses a saved folder puts a conversation through its chat template and tokenises what comes
out. The tokens must be those that the model was trained on: the prompt up to where the response
begins, the response, and the end token, with nothing behind it.
"""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerBase

CONVERSATION = [
    {"role": "user", "content": "Why is the sky blue?"},
    {"role": "assistant", "content": "Air scatters blue light."},
]
# What follows reads the other messages, for this name is then the template's own.
FOLDING = (
    "{%- if messages and messages[0]['role'] == 'system' -%}"
    "{%- set podium_system = messages[0]['content'] -%}"
    "{%- if messages | length > 1 and messages[1]['role'] == 'user' -%}"
    "{%- set messages = [{'role': 'user', 'content':"
    " podium_system + '\n\n' + messages[1]['content']}] + messages[2:] -%}"
    "{%- else -%}"
    "{%- set messages = [{'role': 'user', 'content': podium_system}] + messages[1:] -%}"
    "{%- endif -%}"
    "{%- endif %}"
)
"""Beginning of a template that puts a system message into the first user message."""


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Return every special token, with or without a role such as begin or end."""
    added = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    return list(dict.fromkeys([*tokenizer.all_special_tokens, *added]))


def usual_template(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Return the tokenizer's chat template, of several the default one."""
    template: Any = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    return template or None


def plain_template(tokenizer: PreTrainedTokenizerBase, end: str) -> str:
    """Return a chat template for models that have none: a role's name, a colon, a line break.

        User:⏎ What is the tallest mountain?⏎⏎ Assistant:⏎ Mount Everest.<end>

    (without the spaces), led by the token that the tokenizer puts at the start of a text, if any;
    models with a closing token of their own (BERT's [SEP]) have it between prompt and response.
    """
    around = tokenizer.convert_ids_to_tokens(tokenizer("", verbose=False)["input_ids"])
    begin = around[0] if around else ""
    between = around[-1] if len(around) > 1 else ""
    opening = f"'Assistant:\\n' + {between!r}"
    content = _as_text(tokenizer, "message['content']")
    return (
        f"{{{{- {begin!r} -}}}}"
        "{%- for message in messages -%}"
        f"{{%- set content = {content} -%}}"
        "{%- if loop.last and message['role'] == 'assistant' and not add_generation_prompt -%}"
        f"{{{{- {opening} + content + {end!r} -}}}}"
        "{%- else -%}"
        "{{- message['role'] | capitalize + ':\\n' + content + '\\n\\n' -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        f"{{%- if add_generation_prompt -%}}{{{{- {opening} -}}}}{{%- endif -%}}"
    )


def folding_system(tokenizer: PreTrainedTokenizerBase, template: str) -> str:
    """Return the template so that it takes a system message, if it refuses one.

    A system message at the beginning is put into the first user message, with an empty line between
    them; without a user message behind it, it becomes one. A template that takes system messages,
    or that cannot be changed in this way, is returned as it is.
    """
    system = {"role": "system", "content": "Be brief."}
    joined = [{"role": "user", "content": f"Be brief.\n\n{CONVERSATION[0]['content']}"}]
    try:
        if _takes(tokenizer, template, [system, *CONVERSATION[:1]]):
            return template
        longer = FOLDING + template
        fits = all(
            _filled(tokenizer, longer, given, add_generation_prompt=prompted)
            == _filled(tokenizer, template, wanted, add_generation_prompt=prompted)
            for prompted in (True, False)
            for given, wanted in (
                (CONVERSATION, CONVERSATION),
                ([system, *CONVERSATION], [*joined, *CONVERSATION[1:]]),
                ([system], [{"role": "user", "content": "Be brief."}]),
            )
        )
    except Exception:  # noqa: BLE001 - a template is a program of its author's
        return template
    return longer if fits else template


def folds_system(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Return True if the tokenizer's template puts a system message into the first user message."""
    template = tokenizer.chat_template
    return isinstance(template, str) and FOLDING in template


def _takes(
    tokenizer: PreTrainedTokenizerBase, template: str, messages: list[dict[str, str]]
) -> bool:
    try:
        _filled(tokenizer, template, messages)
    except Exception:  # noqa: BLE001 - a template is a program of its author's
        return False
    return True


def ending_in_the_response(tokenizer: PreTrainedTokenizerBase, template: str, end: str) -> str:
    """Return the template so that a conversation's last answer ends it, as in training.

    Templates write that answer in ways of their own, with a line break behind its end token or
    without the thoughts. Conversations without one, or with a prompt for the next, come out as
    before. A template that cannot be changed in this way is returned as it is.
    """
    prompt, whole = CONVERSATION[:1], CONVERSATION
    try:
        asked = _filled(tokenizer, template, prompt, add_generation_prompt=True)
        if _filled(tokenizer, template, whole) == asked + whole[-1]["content"] + end:
            return template
        # What follows reads the shorter conversation, for these names are now the template's own.
        response = _as_text(tokenizer, "messages[-1]['content']")
        longer = (
            "{%- set response_and_end = '' -%}"
            "{%- if not add_generation_prompt and messages[-1]['role'] == 'assistant' -%}"
            f"{{%- set response_and_end = {response} + {end!r} -%}}"
            "{%- set messages = messages[:-1] -%}"
            "{%- set add_generation_prompt = true -%}"
            "{%- endif -%}" + template.removesuffix("\n") + "{{ response_and_end }}"
        )
        fits = (
            _filled(tokenizer, longer, whole) == asked + whole[-1]["content"] + end
            and _filled(tokenizer, longer, prompt, add_generation_prompt=True) == asked
            and _filled(tokenizer, longer, prompt) == _filled(tokenizer, template, prompt)
        )
    except Exception:  # noqa: BLE001 - a template is a program of its author's
        return template
    return longer if fits else template


def _as_text(tokenizer: PreTrainedTokenizerBase, expression: str) -> str:
    """Return the expression with special tokens broken up, because its output is parsed."""
    for token in special_tokens(tokenizer):
        expression += f" | replace({token!r}, {token[:1] + ' ' + token[1:]!r})"
    return expression


def _filled(
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    messages: list[dict[str, str]],
    **options: Any,
) -> str:
    """Return the conversation as the template writes it."""
    return str(
        tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, **options)
    )
