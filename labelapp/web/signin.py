"""Throttle sign-ins: attempts that come too fast are refused before a password is hashed.

Failures are counted by name and by address, in the database, for every call of
django.contrib.auth.authenticate. The delays grow, but stay short for a name: whoever guesses at a
name can delay its owner for a minute, but not lock them out.
"""

import ipaddress
import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import salted_hmac

from labelapp.db.writer import write
from labelapp.models import SignInFailures, User

FORGOTTEN_AFTER = timedelta(hours=1)  # without another attempt
CLOCK_SKEW = timedelta(minutes=1)  # between the machines that serve the pages


@dataclass(frozen=True)
class Limit:
    """The delays after failed attempts: none after a few, then doubled by each."""

    free: int  # failures before the first delay
    longest: timedelta

    def delay(self, failures: int) -> timedelta:
        """Return how long the next attempt has to wait after so many failures in a row."""
        if failures < self.free:
            return timedelta(0)
        exponent = min(failures - self.free + 1, 20)  # a larger one is past every limit
        return min(timedelta(seconds=2**exponent), self.longest)


NAME = Limit(free=5, longest=timedelta(minutes=1))
ADDRESS = Limit(free=20, longest=timedelta(minutes=15))  # people of one office share an address


class TooManyAttemptsError(Exception):
    """Too many attempts have failed; `seconds` says when another one is accepted."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"try again in {seconds} seconds")
        self.seconds = seconds


def client_address(request: HttpRequest | None) -> str | None:
    """Return the address of a request's client, or None if it is unknown.

    X-Forwarded-For is believed only as far as the proxies named by settings.PROXIES have written
    it: each appends the address that it was called from. Behind a proxy that the settings don't
    count, everybody has the proxy's address, which says nothing.
    """
    if request is None or (settings.HTTPS and not settings.PROXIES):
        return None
    address: str = request.META.get("REMOTE_ADDR", "")
    if settings.PROXIES:
        forwarded = request.headers.get("X-Forwarded-For", "").split(",")
        if len(forwarded) >= settings.PROXIES:
            address = forwarded[-settings.PROXIES].strip()
    return network(address) or None


def network(address: str) -> str:
    """Return an IPv4 address, or the /64 network of an IPv6 address, which is one customer's."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def key_of(kind: str, value: str) -> str:
    """Return the key under which the failures of a name or an address are counted."""
    return salted_hmac("labelapp.signin", f"{kind}:{value}", algorithm="sha256").hexdigest()


def name_key(name: str) -> str:
    return key_of("name", unicodedata.normalize("NFKC", name).casefold())


def failures_of(name: str) -> QuerySet[SignInFailures]:
    """Return the failed attempts to sign in with a name."""
    return SignInFailures.objects.filter(key=name_key(name))


def limits(name: str, address: str | None) -> dict[str, Limit]:
    """Return the keys that an attempt counts for, with their limits."""
    by_key = {name_key(name): NAME}
    if address is not None:
        by_key[key_of("address", address)] = ADDRESS
    return by_key


def count_attempt(by_key: Mapping[str, Limit]) -> None:
    """Count an attempt as failed, before it is made: simultaneous attempts see each other.

    Raises TooManyAttemptsError, and counts nothing, if one of the keys has to wait.
    """
    with write():
        now, waits, counted = timezone.now(), [timedelta(0)], []
        for key in sorted(by_key):  # in one order, to avoid deadlocks
            SignInFailures.objects.get_or_create(key=key, defaults={"last_at": now})
            failures = SignInFailures.objects.select_for_update().get(key=key)
            age = now - failures.last_at
            forgotten = not -CLOCK_SKEW < age < FORGOTTEN_AFTER
            failures.count = 0 if forgotten else failures.count
            waits.append(by_key[key].delay(failures.count) - max(age, timedelta(0)))
            counted.append(failures)
        if max(waits) > timedelta(0):
            raise TooManyAttemptsError(math.ceil(max(waits).total_seconds()))
        for failures in counted:
            failures.count, failures.last_at = failures.count + 1, now
            failures.save(update_fields=["count", "last_at"])


def forgive(name: str, by_key: Mapping[str, Limit]) -> None:
    """Forget the failures of a name whose owner has signed in.

    Of their address only this attempt: else somebody with an account could guess without end, and
    sign in between.
    """
    own = name_key(name)
    SignInFailures.objects.filter(key=own).delete()
    others = SignInFailures.objects.filter(key__in=by_key.keys() - {own}, count__gt=0)
    others.update(count=F("count") - 1)


def forget_old_failures() -> int:
    """Delete the counts that no longer matter, and return how many there were."""
    old = SignInFailures.objects.filter(last_at__lt=timezone.now() - FORGOTTEN_AFTER)
    return old.delete()[0]


class ThrottledBackend(ModelBackend):
    """Django's backend for names and passwords, with a limit to how fast these can be tried."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **credentials: Any,
    ) -> Any:
        """Return the user. Raises TooManyAttemptsError before the password is looked at."""
        username = username or credentials.get(User.USERNAME_FIELD)
        if username is None or password is None:
            return None
        by_key = limits(username, client_address(request))
        count_attempt(by_key)
        user = super().authenticate(request, username=username, password=password)
        if user is None:
            raise PermissionDenied  # no other backend is asked: it would hash the password again
        forgive(username, by_key)
        return user

    async def aauthenticate(self, *args: Any, **credentials: Any) -> Any:
        return await sync_to_async(self.authenticate)(*args, **credentials)


class TooManyAttemptsMiddleware:
    """Return a 429 page for attempts to sign in that a view has not refused itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, TooManyAttemptsError):
            response = render(request, "429.html", {"seconds": error.seconds}, status=429)
            response["Retry-After"] = str(error.seconds)
            return response
        return None
