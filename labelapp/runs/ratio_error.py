"""The standard error of a ratio of sums over units, such as prompts."""

from math import sqrt


def ratio_error(
    units: float, part: float, whole: float, squares: float, whole_squares: float, products: float
) -> float:
    """Return the standard error of part / whole over at least two units.

    `squares` and `whole_squares` are the sums of the squares of each unit's part and whole, and
    `products` the sum of their products. By linearisation (Cochran 1977, "Sampling Techniques",
    section 6.3).
    """
    ratio = part / whole
    residuals = squares - 2 * ratio * products + ratio * ratio * whole_squares
    return sqrt(max(0.0, residuals) * units / (units - 1)) / whole
