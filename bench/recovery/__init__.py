"""Takeover of plan, measured: what is run, what is followed, what is reported."""
