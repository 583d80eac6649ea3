"""Render text and numbers for pages and spreadsheets.

It may import models.
"""
