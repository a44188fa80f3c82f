"""Benchmarks of this construct and its alternatives on the local AWS."""
