"""Rankings read, staged, tokenised and batched.

It may import formats, runs, config, aggregation, splits and what is below them.
"""
