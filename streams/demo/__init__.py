"""The demo: a real hour of LLM traffic through the whole loop, in two minutes, in one process.

Rule: every joint is real (Kafka protocol, Faust, River, the Kubernetes client); only the servers
behind them are small.
"""
