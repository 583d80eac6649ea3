"""Serve static files under names with a hash of their content."""

from typing import ClassVar

from whitenoise.storage import CompressedManifestStaticFilesStorage

# `import ... from "./cards.js";` in our own modules. Django's option for this also matches types in
# the comments of other packages, and fails on files that do not exist.
MODULE_IMPORTS = (
    "js/*.js",
    (
        (
            r"""(?P<matched>import(?P<import>\s[^;"']*?)\sfrom\s*"(?P<url>\./[^"]+)"\s*;)""",
            """import%(import)s from "%(url)s";""",
        ),
    ),
)


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Also rename the modules that our scripts import, so that a browser never mixes releases."""

    patterns: ClassVar = (*CompressedManifestStaticFilesStorage.patterns, MODULE_IMPORTS)
