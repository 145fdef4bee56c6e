"""Faults on demand: of the links before the dependencies and of the processes of the services."""
