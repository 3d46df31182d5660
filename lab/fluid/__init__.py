"""The fluid laboratory: policies against series of demand, where single requests are not known.

Rule: exact in continuous time; the same trial, the same score for everybody.
Flow: Series -> Trial -> run -> Schedule -> Score -> Row.
"""
