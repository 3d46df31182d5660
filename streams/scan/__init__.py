"""Scanning: requests read out of bytes straight into columns, all events of a chunk in step.

Rule: it accepts what it can account for byte by byte, and leaves everything else to the decoder
that names faults; it never accepts what that one would refuse, nor reads it differently.
Flow: text -> shapes -> walk -> Columns (``streams.telemetry`` holds them together).
"""
