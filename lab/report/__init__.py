"""The report: one HTML file with everything a run showed, readable without a network.

Rule: says what was compared with what, and every assumption; survives an interrupted run.
"""

from lab.report.report import render

__all__ = ["render"]
