"""The models that the service holds: one from a folder, or those of a registry, as it changes."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from training.errors import UserError
from training.serving.batcher import Batcher
from training.serving.registry import NotFoundError, Registry, Version, Wanted

if TYPE_CHECKING:
    from training.serving.model import ServedModel

POLL_SECONDS = 2.0
"""Time between two readings of the registry."""


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

    def all_loaded(self) -> list[Served]:
        """Return the models that are loaded."""

    def stop(self) -> None:
        """Compute what waits, and end the threads."""


class OneModel:
    """Hold the model of a folder."""

    def __init__(self, served: Served) -> None:
        self.served = served

    @property
    def has_default(self) -> bool:
        return True

    def loaded(self, wanted: Wanted | None) -> Served | None:
        if wanted is not None:
            raise NotFoundError("this service has one model: ask for /score and the like")
        return self.served

    def load(self, wanted: Wanted | None) -> Served:
        return self.served

    def tokens(self, project: str | None) -> frozenset[bytes]:
        return frozenset()

    def all_loaded(self) -> list[Served]:
        return [self.served]

    def stop(self) -> None:
        self.served.batcher.stop()


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
        self.problem = ""
        """Why the registry could not be read the last time, or ""."""
        self._load_version = load
        self._served: OrderedDict[Wanted, tuple[Version, Served]] = OrderedDict()
        self._running: list[Served] = []
        """Models whose threads have not been ended."""
        self._failed: dict[Wanted, Version] = {}
        self._changing = threading.Lock()
        self._loading = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="registry", daemon=True)

    @property
    def has_default(self) -> bool:
        return self.default is not None

    def start(self) -> None:
        """Follow the registry from now on."""
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        for served in self._running:
            served.batcher.stop()

    def tokens(self, project: str | None) -> frozenset[bytes]:
        slug = project or (self.default.project if self.default else None)
        return self.contents.tokens.get(slug, frozenset()) if slug else frozenset()

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
            return self.loaded(wanted) or self._put(wanted, self.contents.find(wanted))

    def _named(self, wanted: Wanted | None) -> Wanted:
        """Return what a request asks for. Raises NotFoundError if it names nothing."""
        found = wanted or self.default
        if found is None:
            raise NotFoundError(
                "say which project: the paths are /projects/PROJECT/score and the like"
            )
        return found

    def _put(self, wanted: Wanted, version: Version) -> Served:
        """Load a version, unless it is loaded under another name, and keep it under this one."""
        with self._changing:
            known = next((one for has, one in self._served.values() if has == version), None)
        served = known or self._load_version(version)
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
        while not self._stopping.wait(POLL_SECONDS):
            self.refresh()

    def refresh(self) -> None:
        """Read the registry, load what its aliases point to now, and end models without a use."""
        try:
            self.contents = self.registry.read()
            self.problem = ""
        except UserError as error:  # the models go on with what is known
            self.problem = str(error)
            return
        with self._changing:
            names = list(self._served.items())
        for wanted, (version, _) in names:
            self._update(wanted, version)
        with self._changing:
            used = {id(served) for _, served in self._served.values()}
            unused = [served for served in self._running if id(served) not in used]
            self._running = [served for served in self._running if id(served) in used]
        for served in unused:
            served.batcher.stop()  # once it has answered what waits

    def _update(self, wanted: Wanted, version: Version) -> None:
        """Replace the model of an alias that has moved."""
        try:
            now = self.contents.find(wanted)
        except NotFoundError:
            with self._changing:
                self._served.pop(wanted, None)
            return
        if now == version or self._failed.get(wanted) == now:
            return
        try:
            with self._loading:
                self._put(wanted, now)
            print(f"{wanted.project}: the {wanted.which} is {now.name} now", file=sys.stderr)
        except UserError as error:
            self._failed[wanted] = now
            print(
                f"{wanted.project}: {now.name} cannot be loaded, {version.name} goes on: {error}",
                file=sys.stderr,
            )
