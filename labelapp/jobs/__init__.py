"""Background jobs of every kind: their start, heartbeat, stop and end.

It may import notifications, db, rendering and models.
"""
