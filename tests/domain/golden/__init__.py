"""The golden corpus: logs as they were written, and the states that they fold to.

The entries of a file are never written again: they stand for what devices have stored. `python -m tests.domain.golden` adds files
for new stories and, after FOLD_VERSION was raised, the states that the new fold gives.
"""
