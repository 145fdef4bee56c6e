"""Faults that a run injects, proves, and always undoes: see docs/decisions/0015-faults-are-always-undone.md."""
