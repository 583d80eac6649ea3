"""The language of the pages: choose one, and translate their scripts."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe
from django.views.i18n import JavaScriptCatalog, set_language

SENTENCES = JavaScriptCatalog.as_view(packages=["labelapp"])


@login_not_required
@require_safe
@cache_control(max_age=3600)
def words(request: HttpRequest, language: str) -> HttpResponseBase:
    """Return the JavaScript catalogue of a language."""
    if language not in dict(settings.LANGUAGES):
        raise Http404
    with translation.override(language):
        return SENTENCES(request)


@login_not_required
@require_POST
def choose(request: HttpRequest) -> HttpResponseBase:
    """Store the chosen language in a cookie, which overrides the browser's preference."""
    return set_language(request)
