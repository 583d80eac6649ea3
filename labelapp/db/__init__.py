"""Rows written in bulk, counts cached, and writes retried while the database is away.

It may import rendering and models.
"""
