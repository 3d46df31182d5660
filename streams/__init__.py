"""The shell: Kafka in, Kafka out; settings, topics, records, agents, web and command line.

Rule: holds all I/O with Kafka and users, decides nothing itself; ``streams.app.build`` is the one
composition root.  Imports ``lab``, ``actuators`` and ``models``; only it imports ``faust``.
"""
