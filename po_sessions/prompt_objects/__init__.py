"""Prompt objects: one definition, the directory of definitions, the starters."""
