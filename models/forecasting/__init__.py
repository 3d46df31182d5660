"""Forecasting: what demand will be when a replica ordered now would be ready.

Rule: labels are learned only when their step is over; what cannot be told yet is said to be so.
"""
