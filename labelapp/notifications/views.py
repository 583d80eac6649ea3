"""A person's notifications: the bell of the header, the list, and what they choose to be told."""

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.models import Notification
from labelapp.notifications.forms import ChoiceForm
from labelapp.notifications.wording import sentence
from labelapp.web.access import signed_in
from labelapp.web.middleware import translated
from labelapp.web.query import key_of

ON_PAGE = 30
MANY = 100  # unread ones, which the bell does not count further


@translated
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """List what the user was told, the newest first."""
    listed = Notification.objects.listed_for(signed_in(request))
    page = Paginator(listed, ON_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": [(each, sentence(each)) for each in page],
        "has_unread": listed.unread().exists(),
    }
    return render(request, "notifications/index.html", context)


@translated
@require_safe
def bell(request: HttpRequest) -> HttpResponse:
    """Return how many notifications the user has not read, for the header."""
    unread = Notification.objects.listed_for(signed_in(request)).unread()
    count = len(unread.values_list("pk")[:MANY])
    context = {"count": count, "shown": f"{MANY - 1}+" if count == MANY else count}
    return render(request, "notifications/_bell.html", context)


@translated
@require_safe
def follow(request: HttpRequest, pk: int) -> HttpResponse:
    """Redirect to the page that a notification is about, and mark it as read."""
    own = Notification.objects.readable().filter(user=signed_in(request))
    notification = get_object_or_404(own, pk=pk)
    own.unread().filter(pk=pk).update(read_at=timezone.now())
    return redirect(notification.path)


@translated
@require_POST
def mark_read(request: HttpRequest) -> HttpResponse:
    """Mark the posted notification as read, or all of them."""
    unread = Notification.objects.filter(user=signed_in(request)).unread()
    if posted := request.POST.get("notification", ""):
        unread = unread.filter(pk=key_of(posted) or 0)
    unread.update(read_at=timezone.now())
    return redirect("notifications")


@translated
@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest) -> HttpResponse:
    """Choose what one is told, and whether by mail."""
    has_mail = bool(settings.EMAIL_HOST)
    form = ChoiceForm(signed_in(request), request.POST or None, has_mail=has_mail)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Your choice is saved."))
        return redirect("notification_settings")
    status = 422 if request.method == "POST" else 200
    return render(request, "notifications/settings.html", {"form": form}, status=status)
