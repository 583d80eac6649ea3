"""Grids: runs with every combination of some settings, started, followed and judged as one."""
