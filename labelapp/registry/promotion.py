"""The promotion of a version: its evidence and gates, and the move of the champion."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from labelapp.models import Alias, AliasMove, ModelVersion, TrainingRun, User
from labelapp.registry import gates, versions
from labelapp.registry.evidence import Evidence, evidence


@dataclass(frozen=True)
class Promotion:
    """Hold the evidence on a version and the results of the gates."""

    version: ModelVersion
    run: TrainingRun
    champion: ModelVersion | None
    evidence: Evidence | None  # None where there is no other champion to compare with
    gates: list[gates.Gate]

    @property
    def is_blocked(self) -> bool:
        """Return True if a gate is not passed."""
        return not all(gate.is_passed for gate in self.gates)

    @property
    def headline(self) -> tuple[str, str] | None:
        """Return the evidence in a sentence, and its tone."""
        return gates.headline(self.evidence) if self.evidence else None

    @property
    def kept(self) -> dict[str, Any]:
        """Return what is stored of the evidence with the promotion, in English."""
        with translation.override(settings.LANGUAGE_CODE):
            asked = gates.gates_of(self.version.project)
            return {
                "headline": self.headline[0] if self.headline else "",
                "against": self.champion.number if self.champion else None,
                "gates": [
                    # Without the details, which may name labellers.
                    {"condition": gate.condition, "passed": gate.is_passed}
                    for gate in gates.check(asked, self.run, self.evidence)
                ],
            }


def prepare(version: ModelVersion) -> Promotion:
    """Compare a version with the champion, and check the gates. Raises RegistryError."""
    if version.run is None:
        raise versions.RegistryError(
            _("%(name)s has been withdrawn. Choose another version.") % {"name": version.name}
        )
    champion = versions.holder(version.project, Alias.CHAMPION)
    found = None
    if champion is not None and champion.run is not None and champion != version:
        found = evidence(champion.run, version.run)
    asked = gates.gates_of(version.project)
    return Promotion(version, version.run, champion, found, gates.check(asked, version.run, found))


def promote(
    promotion: Promotion, *, seen: int | None, reason: str, user: User | None = None
) -> AliasMove:
    """Make the version the champion. Raises RegistryError where somebody was first."""
    return versions.move(
        Alias.CHAMPION,
        promotion.version,
        project=promotion.version.project,
        seen=seen,
        reason=reason,
        user=user,
        evidence=promotion.kept,
    )
