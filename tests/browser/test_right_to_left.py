"""A labeller ranks in Arabic: the page is mirrored, and the keys mean what they show."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labelapp.models import Member, Prompt
from tests.browser.conftest import As, stored

ARABIC_KEYS = {"j": ("ت", "KeyJ"), "1": ("١", "Digit1"), "2": ("٢", "Digit2"), "3": ("٣", "Digit3")}


@pytest.fixture
def arabic(page: Page, live_server: Any, sign_in_as: As, labeller: Member, prompt: Prompt) -> Page:
    """The labeller's ranking page in Arabic, once its scripts run."""
    sign_in_as(labeller)
    page.set_extra_http_headers({"Accept-Language": "ar"})
    page.goto(f"{live_server.url}/projects/kitchen/labelling/")
    expect(page.locator("#submit")).to_have_attribute("aria-disabled", "true")
    return page


def left(page: Page, selector: str) -> float:
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    return box["x"]


def test_the_page_is_mirrored_and_code_is_not(arabic: Page) -> None:
    assert left(arabic, ".asked") > left(arabic, ".response") > left(arabic, ".verdict")
    assert left(arabic, ".brand") > left(arabic, ".who")
    ranks = arabic.locator("#response-A .ranks label")
    first, second = ranks.nth(0).bounding_box(), ranks.nth(1).bounding_box()
    assert first is not None
    assert second is not None
    assert first["x"] > second["x"]
    assert arabic.locator("kbd").first.evaluate("kbd => getComputedStyle(kbd).direction") == "ltr"
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    for size in (1440, 390):
        arabic.set_viewport_size({"width": size, "height": 844})
        assert arabic.evaluate(width) == 0


def test_arrows_go_where_they_point(arabic: Page) -> None:
    ranks = arabic.locator("#response-A .ranks input")
    ranks.nth(0).focus()
    arabic.keyboard.press("ArrowLeft")
    expect(ranks.nth(1)).to_be_focused()
    expect(ranks.nth(1)).to_be_checked()
    arabic.keyboard.press("ArrowRight")
    expect(ranks.nth(0)).to_be_checked()
    arabic.keyboard.press("ArrowRight")  # around
    expect(ranks.nth(3)).to_be_checked()


def test_the_keys_of_an_arabic_keyboard_rank(arabic: Page, prompt: Prompt) -> None:
    letters = [card.get_attribute("data-letter") for card in arabic.locator(".response").all()]
    for pressed in ("1", "j", "2", "j", "3", "j", "3"):
        key, code = ARABIC_KEYS[pressed]
        arabic.evaluate(
            """([key, code]) => document.activeElement.dispatchEvent(
                new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true }))""",
            [key, code],
        )
    texts = [card.locator(".text").inner_text() for card in arabic.locator(".response").all()]
    expect(arabic.locator("#missing")).to_have_text("لكل رد مرتبة")
    arabic.keyboard.press("Enter")
    expect(arabic.get_by_role("heading", name="أنجزت كل ما لديك")).to_be_visible()
    assert letters == ["A", "B", "C", "D"]
    assert stored(prompt) == dict(zip(texts, (1, 2, 3, 3), strict=True))
