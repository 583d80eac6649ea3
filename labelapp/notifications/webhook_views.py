"""The page of a project's webhook, for managers."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from labelapp.models import Member, Role, Webhook
from labelapp.notifications import posting, webhooks
from labelapp.notifications.webhook_forms import WebhookForm
from labelapp.web.access import member_view

LISTED = 20  # calls


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(Role.MANAGER)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    """Show the webhook with its last calls, or set its address."""
    webhook = Webhook.objects.filter(project=member.project).first()
    initial = {"url": webhook.url} if webhook else None
    form = WebhookForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        webhooks.save(member.project, form.cleaned_data["url"])
        messages.success(request, _("The webhook is saved."))
        return redirect("webhook", member.project.slug)
    listed = webhook.calls.all()[:LISTED] if webhook else []
    calls = [(call, posting.said(call.problem, call.problem_values)) for call in listed]
    context = {"form": form, "webhook": webhook, "calls": calls}
    status = 422 if request.method == "POST" else 200
    return render(request, "notifications/webhook.html", context, status=status)


@require_POST
@member_view(Role.MANAGER)
def act(request: HttpRequest, member: Member) -> HttpResponse:
    """Make a test call, give the webhook another secret, or remove it."""
    webhook = get_object_or_404(Webhook, project=member.project)
    action = request.POST.get("act")
    if action == "test":
        webhooks.queue_test(webhook)
        messages.success(request, _("A test call is on its way. Reload to see how it went."))
    elif action == "secret":
        webhooks.renew_secret(webhook)
        messages.success(request, _("The webhook has another secret. The earlier one is void."))
    elif action == "remove":
        webhook.delete()
        messages.success(request, _("The webhook is removed."))
    return redirect("webhook", member.project.slug)
