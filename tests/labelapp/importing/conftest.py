"""A manager who uploads files."""

import pytest
from django.test import Client

from labelapp.models import Member
from tests.conftest import sign_in


@pytest.fixture
def client(manager: Member) -> Client:
    return sign_in(manager)
