"""Static files whose names contain a hash of their content."""

from typing import ClassVar

from whitenoise.storage import CompressedManifestStaticFilesStorage

# Matches `import ... from "./cards.js";` and "../cards.js" in our own modules. Django's own option
# (support_js_module_import_aggregation) also matches type imports in the comments of third-party
# packages, and fails because the files they name do not exist.
MODULE_IMPORTS = (
    "js/*.js",
    (
        (
            r"""(?P<matched>import(?P<import>\s[^;"']*?)\sfrom\s*"(?P<url>\.\.?/[^"]+)"\s*;)""",
            """import%(import)s from "%(url)s";""",
        ),
    ),
)


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Also rewrite the imports in our scripts, so that no browser mixes two releases."""

    patterns: ClassVar = (*CompressedManifestStaticFilesStorage.patterns, MODULE_IMPORTS)
