"""The page that a form was sent from."""

import pytest
from django.test import RequestFactory

from labelapp.web.addresses import sent_from, with_query


@pytest.mark.parametrize("address", ["/projects/kitchen/", "/a/?run=1&q=x"])
def test_a_page_of_this_application_is_returned_to(address: str) -> None:
    assert sent_from(RequestFactory().post("/", {"back": address})) == address


@pytest.mark.parametrize(
    "address",
    ["", "here", "https://example.org/", "//example.org/", "/\\example.org", "javascript:x"],
)
def test_no_other_address_is_returned_to(address: str) -> None:
    assert sent_from(RequestFactory().post("/", {"back": address})) == ""


def test_values_join_those_that_an_address_has() -> None:
    assert with_query("/a/", {}) == "/a/"
    assert with_query("/a/", {"returned": "1"}) == "/a/?returned=1"
    assert with_query("/a/?run=1", {"q": "a b"}) == "/a/?run=1&q=a+b"
