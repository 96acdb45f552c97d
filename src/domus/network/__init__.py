"""Where a domain's cards are plugged in: the bridges of dom0."""
