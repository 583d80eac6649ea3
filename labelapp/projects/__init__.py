"""Projects: their settings, members, invitations, prompts and progress.

It may import labelling, runs, web, jobs, db and what is below them.
"""
