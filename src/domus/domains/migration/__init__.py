"""Domains that move from host to host while they live: docs/migration.md has the protocol and its reasons."""
