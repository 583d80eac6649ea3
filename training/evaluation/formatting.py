"""Numbers as text: shares, differences, durations, and their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

UNKNOWN = "–"


def is_known(value: float | None) -> bool:
    """Return False for None and NaN."""
    return value is not None and not math.isnan(value)


def percent(value: float | None, digits: int = 1) -> str:
    """Return 0.7183 as "71.8%": terminals need not know the space that the pages have."""
    return f"{value:.{digits}%}" if is_known(value) else UNKNOWN


def decimal(value: float | None, digits: int = 2) -> str:
    """Return a number with so many digits behind the point."""
    return f"{value:.{digits}f}" if is_known(value) else UNKNOWN


def duration(seconds: float) -> str:
    """Return a time in seconds, with one digit behind the point where it is short."""
    return f"{seconds:.{1 if seconds < 10 else 0}f} seconds"


def share(found: Mapping[str, Any], name: str) -> str:
    """Return a share of metrics.json, with its interval if there is one."""
    return percent_between(found[name], found[f"{name}_low"], found[f"{name}_high"])


def percent_between(
    value: float, low: float | None, high: float | None, *, signed: bool = False
) -> str:
    """Return a share with its interval, if there is one; a difference with its sign."""
    interval = f" ({percent(low)} to {percent(high)})" if is_known(low) else ""
    return ("+" if signed and value >= 0 else "") + percent(value) + interval


def number(found: Mapping[str, Any], name: str, digits: int = 2) -> str:
    """Return a number of metrics.json, with its interval if there is one."""
    low, high = found[f"{name}_low"], found[f"{name}_high"]
    ends = f" ({decimal(low, digits)} to {decimal(high, digits)})" if is_known(low) else ""
    return decimal(found[name], digits) + ends


def points(found: Mapping[str, Any], name: str) -> str:
    """Return a difference of shares in percentage points, with its interval if there is one."""
    value, low, high = found[name], found[f"{name}_low"], found[f"{name}_high"]
    if not is_known(value):
        return UNKNOWN
    interval = f" ({100 * low:+.1f} to {100 * high:+.1f})" if is_known(low) else ""
    return f"{100 * value:+.1f} points{interval}"
