__metanas__ = True  # tells this folder from a user's own of the same name; see metanas/base/plugins.py
