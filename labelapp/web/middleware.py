"""What stands between every request and its view."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.shortcuts import render
from django.utils import translation

View = Callable[..., HttpResponseBase]


def translated(view: View) -> View:
    """Mark a view whose page is there in every language: the others stay in English."""
    view.translated = True  # type: ignore[attr-defined]
    return view


class LanguageMiddleware(LocaleMiddleware):
    """The language that a person chose, else their browser's, on pages that are translated."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        translation.activate(settings.LANGUAGE_CODE)  # an address that leads nowhere has no view

    def process_view(self, request: HttpRequest, view: View, args: Any, kwargs: Any) -> None:
        request.translated = getattr(view, "translated", False)  # type: ignore[attr-defined]
        if request.translated:  # type: ignore[attr-defined]
            translation.activate(request.LANGUAGE_CODE)


class BusyDatabaseMiddleware:
    """Says in words that SQLite was busy for longer than a request waits: a large import, say."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, OperationalError) and "database is locked" in str(error):
            response = render(request, "503.html", status=503)
            response["Retry-After"] = "30"
            return response
        return None
