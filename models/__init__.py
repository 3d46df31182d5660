"""The pure core of Foretide: numbers and records in, decisions out.

Rule: no I/O, no clock, no logging, no asyncio, no unseeded randomness; time is an argument.
Stands between the Kafka shell (``streams``) and nothing: it imports no other package of ours.
"""
