"""Middleware: the language of a page, and an answer while SQLite is busy."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.shortcuts import render
from django.utils import translation
from django_htmx.middleware import HtmxDetails

View = Callable[..., HttpResponseBase]


class PageRequest(HttpRequest):
    """A request with the attributes that middleware sets."""

    htmx: HtmxDetails
    translated: bool


def translated(view: View) -> View:
    """Mark a view whose page is translated; pages of other views are in English."""
    view.translated = True  # type: ignore[attr-defined]
    return view


class LanguageMiddleware(LocaleMiddleware):
    """Activate the chosen language, or the browser's, on translated pages."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        translation.activate(settings.LANGUAGE_CODE)  # an unknown URL has no view

    def process_view(self, request: PageRequest, view: View, args: Any, kwargs: Any) -> None:
        request.translated = getattr(view, "translated", False)
        if request.translated:
            translation.activate(request.LANGUAGE_CODE)


class BusyDatabaseMiddleware:
    """Answer with status 503 if SQLite stays locked for too long, as during a large import."""

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
