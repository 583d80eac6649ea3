"""The ranking page as a labeller handles it."""

import re
from collections.abc import Mapping

from playwright.sync_api import Locator, Page, ViewportSize, expect

PATIENCE = 60_000  # milliseconds: a bound for the busiest machine, not a measure
RENDERED = """new Promise((done) => {
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
})"""

PHONE: ViewportSize = {"width": 390, "height": 844}
WIDE: ViewportSize = {"width": 1440, "height": 900}
LONG = "\n\n".join(f"Paragraph {n}, of a text that goes on for long." for n in range(1, 61))


def settle(page: Page) -> None:
    """Wait until the page has done and drawn what follows from the last act."""
    page.evaluate(RENDERED)


def all_sent(page: Page) -> None:
    """Wait until every request that the page makes by itself has left it."""
    settle(page)
    page.evaluate("fetch('/static/favicon.svg').then(answer => answer.text())")


def await_true(thing: Locator, condition: str) -> None:
    """Wait until a condition, a function in JavaScript, holds for an element."""
    thing.evaluate(
        f"""thing => new Promise((done, fail) => {{
            const look = () => ({condition})(thing) ? done() : requestAnimationFrame(look);
            setTimeout(() => fail(new Error("never true")), {PATIENCE});
            look();
        }})"""
    )


def top(thing: Locator) -> float:
    """Return the distance of a thing from the top of the window."""
    box = thing.bounding_box()
    assert box is not None
    return box["y"]


class RankingPage:
    """Find parts of the page by what people see, and responses by text: letters are shuffled."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def open(self) -> "RankingPage":
        self.page.goto(self.url)
        return self

    def ready(self) -> "RankingPage":
        """Wait until the page's scripts run."""
        expect(self.submit).to_have_attribute("aria-disabled", "true")
        return self

    def next_ready(self) -> None:
        """Wait until the page keeps the next task ready."""
        expect(self.page.locator("#task")).to_have_attribute("data-next-ready", "")

    def card(self, letter: str) -> Locator:
        return self.page.get_by_role("article", name=f"Response {letter}")

    def letters(self) -> dict[str, str]:
        """Return the letter of each response, by its text, in the order shown."""
        cards = self.page.get_by_role("article").all()
        return {
            card.locator(".text").inner_text(): card.get_attribute("data-letter") or ""
            for card in cards
        }

    def radio(self, letter: str, rank: int) -> Locator:
        group = self.page.get_by_role("group", name=f"Rank of response {letter}")
        return group.get_by_role("radio", name=str(rank), exact=True)

    def chip(self, letter: str) -> Locator:
        return self.page.get_by_role("button", name=re.compile(f"^Response {letter}"))

    def lane(self, rank: int) -> Locator:
        return self.page.get_by_role("listitem").filter(
            has=self.page.get_by_role("button", name=f"ank {rank}")
        )

    @property
    def tray(self) -> Locator:
        return self.page.locator(".tray")

    @property
    def problem(self) -> Locator:
        """Return the message that the page shows after a request that went wrong."""
        return self.page.locator("#problem")

    @property
    def submit(self) -> Locator:
        return self.page.get_by_role("button", name="Submit", exact=True)

    @property
    def said(self) -> Locator:
        """Return what is announced to screen readers."""
        return self.page.locator("#said")

    def rank_by_radio(self, wanted: Mapping[str, int]) -> None:
        letters = self.letters()
        for text, rank in wanted.items():
            self.radio(letters[text], rank).check()

    def rank_by_keyboard(self, wanted: Mapping[str, int]) -> None:
        for text in self.letters():
            self.page.keyboard.press(str(wanted[text]))
            self.page.keyboard.press("j")

    def rank_by_click(self, wanted: Mapping[str, int]) -> None:
        letters = self.letters()
        for text, rank in wanted.items():
            self.chip(letters[text]).click()
            self.page.get_by_role("button", name=f"Give {letters[text]} rank {rank}").click()

    def rank_by_drag(self, wanted: Mapping[str, int]) -> None:
        letters = self.letters()
        for text, rank in wanted.items():
            self.chip(letters[text]).drag_to(self.lane(rank))

    def entered(self) -> dict[str, int | None]:
        """Return the rank whose radio is checked, by response."""
        return {
            text: next(
                (rank for rank in range(1, 5) if self.radio(letter, rank).is_checked()), None
            )
            for text, letter in self.letters().items()
        }

    def expect_rail(self, wanted: Mapping[str, int]) -> None:
        """Check that each lane shows the chips of its rank, and no others."""
        letters = self.letters()
        for rank in range(1, 5):
            held = sorted(letters[text] for text, r in wanted.items() if r == rank)
            expect(self.lane(rank).locator(".chip")).to_have_text(held)

    def expect_empty(self) -> None:
        expect(self.page.get_by_role("heading", name="You’re all caught up")).to_be_visible()
