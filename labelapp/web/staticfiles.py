"""Static files under names that change with their content."""

from typing import ClassVar

from whitenoise.storage import CompressedManifestStaticFilesStorage

# `import ... from "./cards.js";` of our own modules. Django's option for this also takes types in
# the comments of other packages for imports, and stops at files that are not there.
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
    """Also renames what our scripts import, so that no browser mixes two releases."""

    patterns: ClassVar = (*CompressedManifestStaticFilesStorage.patterns, MODULE_IMPORTS)
