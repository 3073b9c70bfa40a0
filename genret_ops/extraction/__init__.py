"""Attributes that documents state in their text: found by rules, written in one form, each with its evidence.

The schema is `[extraction]` of the settings. How extracted values join those of sources is corpus/extracted.py's.
"""
