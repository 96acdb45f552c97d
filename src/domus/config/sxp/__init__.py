"""SXP, the lists in parentheses that xm and xend spoke: parser, printer, and domains in both directions."""
