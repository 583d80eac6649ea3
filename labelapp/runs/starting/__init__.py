"""The form that starts a run: settings, presets, and what the run will take."""
