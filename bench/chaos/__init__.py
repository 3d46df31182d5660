"""The chaos harness: aggregate on a real Kafka, disturbed; what is counted must be what was sent.

Flow: Traffic -> Publisher -> Kafka -> workers, which Chaos disturbs -> Audit.
"""
