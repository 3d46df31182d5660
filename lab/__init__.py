"""The laboratory: the plant, peers' policies, traces, comparison, report, and real servers.

Rule: it never learns what a controller could not see, and it says plainly who won.
Stands between ``streams`` (which runs its demo) and ``actuators``/``models`` (which it drives).
"""
