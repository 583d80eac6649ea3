"""Headers: private pages stay in no cache, and pages use no more of a browser than they need."""

import pytest
from django.test import Client

from labelapp.models import Member, User
from tests.conftest import PASSWORD, sign_in
from tests.labelapp.web.addresses import Address, addresses


@pytest.mark.parametrize("address", addresses(), ids=str)
def test_no_page_of_somebody_signed_in_stays_in_a_cache(manager: Member, address: Address) -> None:
    """For every address of the URL configuration, whether it is there, refused or missing."""
    root = User.objects.create_superuser("root", password=PASSWORD)
    for person in (manager, root):
        for method in ("get", "post"):
            response = getattr(sign_in(person), method)(address.url())
            policy = response["Cache-Control"]
            public = address.name == "words" and method == "get"
            assert ("no-store" in policy) is not public, (method, policy)
            assert ("private" in policy) is not public, (method, policy)


def test_pages_that_are_no_one_s_may_be_kept(db: None) -> None:
    assert "no-store" not in Client().get("/words/de.js")["Cache-Control"]
    assert "Cache-Control" not in Client().get("/nothing/here/")


def test_features_that_no_page_needs_are_off(manager: Member) -> None:
    for response in (Client().get("/sign-in/"), sign_in(manager).get("/")):
        assert "camera=()" in response["Permissions-Policy"]
        assert "clipboard" not in response["Permissions-Policy"]  # links are copied with it
