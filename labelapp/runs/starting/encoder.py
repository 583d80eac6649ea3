"""The encoder of texts that models may use, for the form that starts a run."""

from dataclasses import dataclass
from importlib.util import find_spec

from training.config.encoder_package import (
    BETTER_ENCODER,
    BETTER_ENCODER_SIZE,
    PACKAGED_LICENSE,
    PACKAGED_NAME,
    PACKAGED_SIZE,
    packaged_encoder,
)


@dataclass(frozen=True)
class Encoder:
    """The packaged encoder, whether it is installed, and a better one to download."""

    is_installed: bool
    name: str = PACKAGED_NAME
    size: str = PACKAGED_SIZE
    licence: str = PACKAGED_LICENSE
    better: str = BETTER_ENCODER
    better_size: str = BETTER_ENCODER_SIZE


def encoder() -> Encoder | None:
    """Return what this machine has; None where it has no PyTorch, so that runs train elsewhere."""
    return Encoder(packaged_encoder() is not None) if find_spec("torch") else None
