"""The name under which the administration pages list Podium's tables."""

from django.apps import AppConfig


class PodiumConfig(AppConfig):
    name = "labelapp"
    verbose_name = "Podium"
