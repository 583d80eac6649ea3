"""Shared parts of all pages: access control, middleware, languages and static files.

It may import db, rendering and models.
"""
