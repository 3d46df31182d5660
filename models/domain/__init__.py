"""The records and values that every part of Foretide speaks (docs/design.md, sections 2 and 4).

Rule: frozen values only, validated when made; one concept a file; no behaviour beyond itself.
Stands at the bottom: everything imports it, it imports nothing of ours.
"""
