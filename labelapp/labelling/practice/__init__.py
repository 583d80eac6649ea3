"""Practice prompts, with which labellers begin: shown on the ranking page, and never stored.

It may import what labelling may, and from labelling its page and its form.
"""
