"""One run from its input to its report: select accounts, run batches, finish."""
