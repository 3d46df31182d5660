"""Status: how the whole loop stands, seen from Kafka alone, and what to do about it.

Rule: asks the broker and no worker, so that it works from anywhere, and tells of workers that
cannot answer; what could not be found out is unknown, never well.
Flow: broker -> collect -> facts -> judge -> show, or JSON.
"""
