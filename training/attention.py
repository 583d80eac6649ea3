"""Who sees whom in a row that holds one prompt and several responses.

Shapes: N rows, T row tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

PADDING = -1
"""Segment of a padding token. The prompt is segment 0, the responses are 1, 2, ..."""


def shared_prefix_mask(segments_NT: Tensor) -> Tensor:
    """Allowed attention (N, 1, T, T), from the token in dimension 2 to the one in dimension 3.

    A token looks back: at its prompt, and at its own segment. Padding looks at padding, so that no
    row of the softmax is empty; nothing looks at padding but padding.
    """
    T = segments_NT.shape[1]
    back_TT = torch.ones(T, T, dtype=torch.bool, device=segments_NT.device).tril()
    own_NTT = segments_NT[:, :, None] == segments_NT[:, None, :]
    prompt_N1T = segments_NT[:, None, :] == 0
    real_NT1 = segments_NT[:, :, None] != PADDING
    allowed_NTT = back_TT & (own_NTT | (prompt_N1T & real_NT1))
    return allowed_NTT[:, None]
