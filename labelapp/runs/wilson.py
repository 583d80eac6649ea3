"""Wilson's interval of a proportion."""

import math

Z = 1.959964  # of a 95 % interval


def wilson(share: float, count: float) -> tuple[float, float]:
    """Return the 95 % interval of a share of `count` independent trials (Wilson 1927)."""
    scale = 1 + Z**2 / count
    centre = share + Z**2 / (2 * count)
    half = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)
