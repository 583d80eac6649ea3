"""Turning text and numbers into what pages and spreadsheets show.

It may import models.
"""
