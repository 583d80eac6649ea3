"""Projects: their settings, members, invitations, prompts and progress, and their deletion.

It may import labelling, runs, web, jobs, db and what is below them.
"""
