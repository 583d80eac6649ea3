"""Access to the database: bulk inserts, cached counts and retried writes.

It may import rendering and models.
"""
