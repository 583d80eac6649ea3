"""The linear model of features, words and frozen models, and its choice by cross-validation.

It may import backbones, data, and what is below them.
"""
