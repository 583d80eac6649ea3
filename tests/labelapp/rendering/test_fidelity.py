"""Differences between a text and what a reader can see of it."""

from hypothesis import given
from hypothesis import strategies as st

from labelapp.rendering.fidelity import INVISIBLE, without_invisible


@given(st.text())
def test_what_cannot_be_seen_is_left_out_of_any_text(text: str) -> None:
    assert without_invisible(text) == INVISIBLE.sub("", text).strip()


@given(st.text(st.characters(max_codepoint=127)))
def test_a_text_of_ascii_is_treated_alike(text: str) -> None:
    assert without_invisible(text) == INVISIBLE.sub("", text).strip()
