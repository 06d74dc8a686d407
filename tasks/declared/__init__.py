"""Domains that are declared in YAML: what they are (`spec`), reading (`rows`), class splits, the adapter."""
