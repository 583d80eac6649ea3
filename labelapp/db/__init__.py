"""Rows written in bulk, counts cached, writes retried while the database is away, writers in line.

It may import rendering and models.
"""
