"""Database helpers: bulk writes, cached counts, retries, a queue for writers, and process locks.

It may import rendering and models.
"""
