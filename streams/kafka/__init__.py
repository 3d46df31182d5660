"""Kafka as Foretide uses it: whole fetched batches in, awaited futures out.

Rule: everything that leans on a private part of Faust or aiokafka stands here, in one file each.
"""
