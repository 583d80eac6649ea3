"""Examples: a prompt and its responses as token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Example:
    """Hold a prompt and the responses to it that are scored together, as token ids."""

    prompt: Tokens
    responses: Sequence[Tokens]

    @property
    def tokens(self) -> int:
        """Return the tokens that one pass computes if the prompt is shared: P + the sum of R."""
        return len(self.prompt) + sum(len(response) for response in self.responses)


IDLE = Example(np.ones(1, np.int32), [np.ones(1, np.int32), np.ones(1, np.int32)])
"""Input of a pass whose result is not used, where all processes must compute together."""
IDLE_RANKS = (1, 2)
