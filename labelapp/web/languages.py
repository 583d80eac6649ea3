"""The language of the pages: translations for the scripts, and the user's choice."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe
from django.views.i18n import JavaScriptCatalog, set_language

from labelapp.models import User

CATALOG = JavaScriptCatalog.as_view(packages=["labelapp"])


@login_not_required
@require_safe
@cache_control(max_age=3600)
def javascript_catalog(request: HttpRequest, language: str) -> HttpResponseBase:
    """Return Django's JavaScript catalog: the translated texts of the scripts."""
    if language not in dict(settings.LANGUAGES):
        raise Http404
    with translation.override(language):
        return CATALOG(request)


@login_not_required
@require_POST
def choose_language(request: HttpRequest) -> HttpResponseBase:
    """Store the chosen language in a cookie, which takes precedence over the browser's setting.

    Mails to somebody who is signed in are in it, too.
    """
    language = request.POST.get("language", "")
    if isinstance(request.user, User) and language in dict(settings.LANGUAGES):
        User.objects.filter(pk=request.user.pk).update(language=language)
    return set_language(request)
