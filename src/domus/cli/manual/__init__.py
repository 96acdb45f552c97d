"""The manual: pages made from prose in `domus/man` and from the declarations, as roff and as plain text.

The prose says what no declaration can. Usages, options and parameters come from their rows, so that neither
can be stale; where the prose says more about an option, its words are used instead of the row's.
"""
