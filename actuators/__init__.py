"""The outside world behind one protocol: Kubernetes, memory, dry run; and the clock.

Rule: trusts nothing; every call has a timeout; every failure is an ``ActuationError`` of a kind
that says what to do next.  Imports ``models`` only.
"""
