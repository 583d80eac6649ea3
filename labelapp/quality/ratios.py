"""The share of a part in a whole with its interval, from sums."""

from math import sqrt

MIN_UNITS = 5  # with fewer, an interval would be misleading
Z = 1.96  # of a 95 % interval


def share_with_interval(
    units: int, part: float, whole: float, squares: float, whole_squares: float, products: float
) -> tuple[float, float | None, float | None]:
    """Return part / whole with the ends of its 95 % interval over units, if they are enough.

    `squares` and `whole_squares` are the sums of the squares of each unit's part and whole, and
    `products` the sum of their products. The error is that of a ratio by linearisation (Cochran,
    Sampling Techniques, 1977, section 6.3).
    """
    ratio = part / whole
    if units < MIN_UNITS:
        return ratio, None, None
    residuals = squares - 2 * ratio * products + ratio * ratio * whole_squares
    error = sqrt(max(0.0, residuals) * units / (units - 1)) / whole
    return ratio, max(0.0, ratio - Z * error), min(1.0, ratio + Z * error)
