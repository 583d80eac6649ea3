"""Middleware: the language of translated pages, and an answer to faults of the machine."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django_htmx.middleware import HtmxDetails

from labelapp.web.faults import fault_response

View = Callable[..., HttpResponseBase]


class PageRequest(HttpRequest):
    """A request with the attributes that middleware sets."""

    htmx: HtmxDetails
    translated: bool


def translated(view: View) -> View:
    """Mark a view whose page is available in every language.

    Other pages are available in the complete languages alone, and in English.
    """
    view.translated = True  # type: ignore[attr-defined]
    return view


def only_complete(request: PageRequest) -> None:
    """Switch to English if the language is one of labellers' pages only, and this page is not.

    For views that show labellers and managers different pages under one address.
    """
    if request.LANGUAGE_CODE not in settings.COMPLETE_LANGUAGES:
        request.translated = False
        translation.activate(settings.LANGUAGE_CODE)


def is_translated(view: View, language: str) -> bool:
    """Return whether the page of a view is available in a language."""
    if getattr(view, "translated", False):
        return True
    return language in settings.COMPLETE_LANGUAGES


class LanguageMiddleware(LocaleMiddleware):
    """Activate the user's language, but only for pages that are available in it."""

    def process_request(self, request: PageRequest) -> None:  # type: ignore[override]
        super().process_request(request)
        # Until process_view, which is not called for a URL that matches no view.
        self.activate(request, request.LANGUAGE_CODE in settings.COMPLETE_LANGUAGES)

    def process_view(self, request: PageRequest, view: View, args: Any, kwargs: Any) -> None:
        self.activate(request, is_translated(view, request.LANGUAGE_CODE))

    def activate(self, request: PageRequest, is_available: bool) -> None:
        request.translated = is_available
        translation.activate(request.LANGUAGE_CODE if is_available else settings.LANGUAGE_CODE)


class FaultMiddleware:
    """Return a 503 page if a view fails because of the machine: see faults.py."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return fault_response(request, error)
