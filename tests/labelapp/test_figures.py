"""Figures: numbers as the pages write them."""

import re
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone, translation

from labelapp.templatetags.figures import ago, duration, percent, points, signed, thousands


def test_shares_are_percentages_with_one_decimal() -> None:
    assert percent(0.7183) == "71.8\u202f%"
    assert points(0.7183) == "71.8"
    assert percent(1) == "100.0\u202f%"


def test_rewards_carry_their_sign() -> None:
    assert signed(1.8391) == "+1.84"
    assert signed(-0.62) == "\u22120.62"
    assert signed(0.0) == signed(-0.004) == "+0.00"


def test_what_is_not_known_is_a_dash() -> None:
    assert [percent(None), points(""), signed("x")] == ["–", "–", "–"]


def test_times_are_in_the_units_that_people_say() -> None:
    assert [duration(s).replace("\xa0", " ") for s in (0, 59.4, 95.2, 3600, 7384)] == [
        "0 s",
        "59 s",
        "1 min 35 s",
        "1 h 0 min",
        "2 h 3 min",
    ]
    assert duration(None) == "–"


def test_how_long_ago_is_said_in_the_largest_unit() -> None:
    now = timezone.now()
    assert ago(now - timedelta(seconds=20)) == "just now"
    assert ago(now - timedelta(hours=3, minutes=20)) == "3\xa0hours\xa0ago"


def test_figures_follow_the_language() -> None:
    with translation.override("de"):
        assert percent(0.7183) == "71,8\u202f%"
        assert signed(-1.8391) == "\u22121,84"
        assert thousands(1234567) == "1.234.567"
        assert ago(timezone.now() - timedelta(days=3)) == "vor\xa03\xa0Tagen"


def test_no_page_can_break_a_line_before_a_percent_sign() -> None:
    for path in Path(settings.BASE_DIR, "templates").rglob("*.html"):
        assert not re.search(r"[0-9}] %(?!})", path.read_text("utf-8")), path
