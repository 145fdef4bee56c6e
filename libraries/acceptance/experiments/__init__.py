"""Experiments of failure and recovery, in the terms of Chaos Toolkit: steady state, workload, probes, ledger."""
