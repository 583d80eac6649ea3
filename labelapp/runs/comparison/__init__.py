"""Two to eight runs side by side: settings, figures, curves, and pairs ordered differently."""
