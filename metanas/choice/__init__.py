"""The choice of an architecture for each task from its support set: candidates, evidence, rules."""
