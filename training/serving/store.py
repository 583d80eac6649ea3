"""The models that the service holds: one from a folder, or those of a registry, as it changes."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from training.errors import UserError
from training.serving.batcher import Batcher
from training.serving.registry import NotFoundError, Registry, Version, Wanted

if TYPE_CHECKING:
    from training.serving.model import ServedModel

POLL_SECONDS = 2.0
"""Time between two readings of the registry."""
RETRY_SECONDS = 30
"""Time after which a model that could not be loaded is tried again."""


class Served(NamedTuple):
    """A model with the thread that computes its rewards."""

    model: ServedModel
    batcher: Batcher


class ModelStore(Protocol):
    """Give the model that a request asks for."""

    @property
    def has_default(self) -> bool:
        """Return True if a request need not name a project."""

    def loaded(self, wanted: Wanted | None) -> Served | None:
        """Return a model that is loaded; None if it must be loaded first. Raises NotFoundError."""

    def load(self, wanted: Wanted | None) -> Served:
        """Load a model, which takes long. Raises NotFoundError, and UserError where it fails."""

    def tokens(self, project: str | None) -> frozenset[bytes]:
        """Return the SHA-256 of the tokens that a project has of its own."""

    def had_tokens(self, project: str | None) -> bool:
        """Return True if a project has had tokens, so that it is not open to all."""

    def all_loaded(self) -> list[Served]:
        """Return the models that are loaded."""


class OneModel:
    """Hold the model of a folder."""

    has_default = True

    def __init__(self, served: Served) -> None:
        self.served = served

    def loaded(self, wanted: Wanted | None) -> Served | None:
        if wanted is not None:
            raise NotFoundError("this service has one model: ask for /score and the like")
        return self.served

    def load(self, wanted: Wanted | None) -> Served:
        return self.served

    def tokens(self, project: str | None) -> frozenset[bytes]:
        return frozenset()

    def had_tokens(self, project: str | None) -> bool:
        return False

    def all_loaded(self) -> list[Served]:
        return [self.served]


@dataclass(frozen=True, slots=True)
class Failure:
    """A version that could not be loaded, why, and when."""

    version: Version
    reason: str
    at: float


class RegistryModels:
    """Hold models of a registry, and follow its aliases.

    A model is loaded when it is first asked for. Once its alias has moved, the new model is loaded
    beside it, and answers from then on; if it cannot be loaded, the old one goes on.
    """

    def __init__(
        self,
        registry: Registry,
        load: Callable[[Version], Served],
        *,
        default: Wanted | None = None,
        most: int = 3,
    ) -> None:
        """Read the registry. Raises UserError if it cannot be read.

        Args:
            load: loads the model of a version, and starts its thread. May raise UserError.
            default: the model of requests that name no project.
            most: models that stay loaded.
        """
        self.registry = registry
        self.default = default
        self.most = most
        self.contents = registry.read()
        self._load_version = load
        self._served: OrderedDict[Wanted, tuple[Version, Served]] = OrderedDict()
        self._running: list[Served] = []
        """Models whose threads have not been ended."""
        self._failures: dict[Wanted, Failure] = {}
        self._said = ""
        """The last sentence about the registry, which is not printed again."""
        self._changing = threading.Lock()
        self._loading = threading.Lock()
        self._thread = threading.Thread(target=self._follow, name="registry", daemon=True)

    @property
    def has_default(self) -> bool:
        return self.default is not None

    def start(self) -> None:
        """Follow the registry from now on."""
        self._thread.start()

    def tokens(self, project: str | None) -> frozenset[bytes]:
        return self.contents.tokens.get(self._slug(project), frozenset())

    def had_tokens(self, project: str | None) -> bool:
        return self._slug(project) in self.contents.tokens

    def _slug(self, project: str | None) -> str:
        return project or (self.default.project if self.default else "")

    def all_loaded(self) -> list[Served]:
        with self._changing:
            return list({id(served): served for _, served in self._served.values()}.values())

    def loaded(self, wanted: Wanted | None) -> Served | None:
        wanted = self._named(wanted)
        self.contents.find(wanted)
        with self._changing:
            if wanted not in self._served:
                return None
            self._served.move_to_end(wanted)
            return self._served[wanted][1]

    def load(self, wanted: Wanted | None) -> Served:
        wanted = self._named(wanted)
        with self._loading:
            if (known := self.loaded(wanted)) is not None:
                return known
            version = self.contents.find(wanted)
            failure = self._failures.get(wanted)
            if failure is not None and is_recent(failure, version):
                raise UserError(failure.reason)
            return self._put(wanted, version)

    def _named(self, wanted: Wanted | None) -> Wanted:
        """Return what a request asks for. Raises NotFoundError if it names nothing."""
        found = wanted or self.default
        if found is None:
            raise NotFoundError(
                "say which project: the paths are /projects/PROJECT/score and the like"
            )
        return found

    def _put(self, wanted: Wanted, version: Version) -> Served:
        """Load a version, unless it is loaded under another name, and keep it under this one.

        Raises UserError if it cannot be loaded, and remembers that.
        """
        with self._changing:
            known = next((one for has, one in self._served.values() if has == version), None)
        try:
            served = known or self._load_version(version)
        except (UserError, OSError, RuntimeError, ValueError) as error:
            self._failures[wanted] = Failure(version, str(error), time.monotonic())
            print(f"{version.name} cannot be loaded: {error}", file=sys.stderr)
            raise UserError(str(error)) from error
        self._failures.pop(wanted, None)
        with self._changing:
            if known is None:
                self._running.append(served)
            self._served[wanted] = (version, served)
            self._served.move_to_end(wanted)
            models = [id(one) for _, one in self._served.values()]
            while len(set(models)) > self.most:
                self._served.popitem(last=False)
                models.pop(0)
        return served

    # Following

    def _follow(self) -> None:
        while True:
            time.sleep(POLL_SECONDS)
            try:
                self.refresh()
            except Exception:  # noqa: BLE001 - the thread goes on, whatever it is
                traceback.print_exc()

    def refresh(self) -> None:
        """Read the registry, load what its aliases point to now, and end models nobody uses."""
        try:
            self.contents = self.registry.read()
            self._say("")
        except UserError as error:  # the models go on with what is known
            self._say(str(error))
            return
        with self._loading:
            with self._changing:
                names = dict(self._served)
            for wanted in dict.fromkeys((*names, *([self.default] if self.default else ()))):
                self._update(wanted, names[wanted][0] if wanted in names else None)
            with self._changing:
                used = {id(served) for _, served in self._served.values()}
                unused = [served for served in self._running if id(served) not in used]
                self._running = [served for served in self._running if id(served) in used]
        for served in unused:
            served.batcher.stop()  # once it has answered what waits

    def _update(self, wanted: Wanted, before: Version | None) -> None:
        """Replace the model of an alias that has moved, or load the first one."""
        try:
            now = self.contents.find(wanted)
        except NotFoundError:
            with self._changing:
                self._served.pop(wanted, None)
            return
        failure = self._failures.get(wanted)
        if now == before or (failure is not None and is_recent(failure, now)):
            return
        with suppress(UserError):  # which is printed, and tried again
            self._put(wanted, now)
            print(f"{wanted.project}: the {wanted.which} is {now.name} now", file=sys.stderr)

    def _say(self, sentence: str) -> None:
        """Print a sentence, unless it was the last one."""
        if sentence and sentence != self._said:
            print(sentence, file=sys.stderr)
        self._said = sentence


def is_recent(failure: Failure, version: Version) -> bool:
    """Return True if the version could not be loaded a short time ago."""
    return failure.version == version and time.monotonic() - failure.at < RETRY_SECONDS
