"""The quality of rankings: agreement, disagreements, adjudication, quality controls and alerts.

It may import labelling, runs, web, jobs, db and what is below them.
"""
