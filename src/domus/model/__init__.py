"""Plain typed data that every floor shares: no I/O, no Xen, no imports from above."""
