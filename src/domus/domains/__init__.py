"""What can be done with a domain: create, end, list; journaled operations, one lock per domain, events."""
