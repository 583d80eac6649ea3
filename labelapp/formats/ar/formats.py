"""Dates in Arabic."""

DATE_FORMAT = "j F Y"
DATETIME_FORMAT = "j F Y، H:i"
MONTH_DAY_FORMAT = "j F"
TIME_FORMAT = "H:i:s"
