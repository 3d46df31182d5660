"""Results: ``make report``, which makes docs/results.md and its figures again, by one command.

Rule: no figure in the document is typed; it is a finished cell's, or it is not there.
Flow: plan -> cells, in processes and kept in a cache -> targets -> document and figures.
"""
