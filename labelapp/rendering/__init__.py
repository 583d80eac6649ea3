"""Convert text and numbers to the HTML, charts and spreadsheet cells that people see.

It may import models.
"""
