"""The share of a part in a whole with its interval, from sums."""

from labelapp.runs.ratio_error import ratio_error

MIN_UNITS = 5  # with fewer, an interval would be misleading
Z = 1.96  # of a 95 % interval


def share_with_interval(
    units: int, part: float, whole: float, squares: float, whole_squares: float, products: float
) -> tuple[float, float | None, float | None]:
    """Return part / whole with the ends of its 95 % interval over units, if they are enough.

    The sums are those that ratio_error takes.
    """
    ratio = part / whole
    if units < MIN_UNITS:
        return ratio, None, None
    error = ratio_error(units, part, whole, squares, whole_squares, products)
    return ratio, max(0.0, ratio - Z * error), min(1.0, ratio + Z * error)
