"""A grid: runs with every combination of some settings, started as one."""

from django.conf import settings
from django.db import models

from labelapp.models.jobs import ObjectField
from labelapp.models.projects import Project


class Grid(models.Model):
    """Runs of a project that differ in a few settings; each has its own page and files."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="grids")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    varied = ObjectField(default=dict)  # the values of each setting that has several
    # Of the form that started it: a double click starts one grid.
    form_key = models.UUIDField(null=True, unique=True, editable=False)

    def __str__(self) -> str:
        return f"grid {self.pk}"

    @property
    def title(self) -> str:
        return f"Grid {self.pk}"
