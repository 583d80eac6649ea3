"""The list of a project's runs: sorted, filtered, named, pinned."""
