"""Work in the background: its progress, its environment and its end.

It may import db, rendering and models.
"""
