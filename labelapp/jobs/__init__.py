"""Background jobs of every kind: their start, heartbeat, stop and end.

It may import db, rendering and models.
"""
