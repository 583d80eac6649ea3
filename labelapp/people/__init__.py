"""One labeller: their page with figures, rankings, notes and messages, and leaving them out.

It may import projects, quality, labelling, jobs, web and what is below them.
"""
