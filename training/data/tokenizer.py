"""A byte-level BPE tokenizer trained on a project's own texts, for models trained from scratch.

Every byte has a token, so any text can be written; nothing is unknown. The special tokens below are
never made from text (training/data/encoder.py). The chat template writes them out for other tools:

    <|user|>question<|response|>answer<|end|>
"""

from __future__ import annotations

from collections.abc import Iterator

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

PAD = "<|pad|>"
END = "<|end|>"
SEPARATOR = "<|response|>"
ROLES = ("user", "assistant", "system")

# A text that went through the template is parsed for special tokens, so "<|" is broken up in
# contents: a response cannot forge a separator. The assistant's last message is the response.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- set content = message['content'] | replace('<|', '< |') -%}"
    "{%- if loop.last and message['role'] == 'assistant' and not add_generation_prompt -%}"
    f"{{{{- '{SEPARATOR}' + content + '{END}' -}}}}"
    "{%- elif message['role'] in " + repr(list(ROLES)) + " -%}"
    "{{- '<|' + message['role'] + '|>' + content -}}"
    "{%- else -%}"
    "{{- '<|user|>' + content -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    f"{{%- if add_generation_prompt -%}}{{{{- '{SEPARATOR}' -}}}}{{%- endif -%}}"
)


def train_tokenizer(texts: Iterator[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train a tokenizer with at most `vocabulary` tokens on a stream of texts, read once."""
    roles = [f"<|{role}|>" for role in ROLES]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=[PAD, END, SEPARATOR, *roles],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[SEPARATOR, *roles],
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped


def token_bytes(tokenizer: PreTrainedTokenizerBase) -> list[bytes]:
    """Return the bytes that each token of such a tokenizer stands for, by its id.

    A role parts messages, as a line break does; other special tokens stand for nothing.
    """
    roles = {f"<|{role}|>" for role in ROLES}
    byte = byte_of_character()
    found = []
    for token in tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))):
        if token in tokenizer.all_special_tokens:
            found.append(b"\n" if token in roles else b"")
        else:
            found.append(bytes(byte[character] for character in token))
    return found


def role_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Return the token of each role in such a tokenizer, which begins its messages."""
    vocabulary = tokenizer.get_vocab()
    return {role: vocabulary[f"<|{role}|>"] for role in ROLES}


def byte_of_character() -> dict[str, int]:
    """Return the byte that each character of a byte-level vocabulary stands for.

    Printable characters of Latin-1 stand for themselves, and the other bytes have the characters
    from 256 on, as in GPT-2.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    found = {chr(byte): byte for byte in printable}
    return found | {chr(256 + place): byte for place, byte in enumerate(others)}
