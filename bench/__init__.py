"""Measurements beside `xl`, on one lab host, in one run: ratios mean something, seconds do not."""
