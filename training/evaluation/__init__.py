"""How well rewards agree with people, and the reports that say so.

It may import loop, backbones, data, distributed, runs and what is below them.
"""
