"""Failed attempts to sign in."""

from django.db import models


class SignInFailures(models.Model):
    """The failed attempts to sign in with one name, or from one address.

    The key is a keyed hash, because people also type passwords into the field of the name.
    """

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "sign-in failures"

    def __str__(self) -> str:
        return f"{self.count} failures"
