"""The pages of one run: its tabs, its progress and its files."""
