"""The roles: aggregate, plan, allocate, actuate; each a Faust agent of an app of its own.

Rule: an exception never leaves an agent's loop over bad input, and always leaves it over lost
output: the worker then ends, and what was not committed is read again.
"""
