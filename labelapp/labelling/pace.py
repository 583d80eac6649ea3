"""The time that a labeller's rankings take, for the projects that show it."""

from statistics import median

from labelapp.models import Assignment, Member

LAST = 20  # rankings over which the pace is taken


def pace(member: Member) -> int | None:
    """Return the median minutes, at least 1, of the member's last rankings; None without any."""
    if not member.project.show_pace:
        return None
    ranked = Assignment.objects.ranked().filter(member=member, seconds__gt=0)
    seconds = list(ranked.order_by("-submitted_at").values_list("seconds", flat=True)[:LAST])
    return max(1, round(median(seconds) / 60)) if seconds else None
