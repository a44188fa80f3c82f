"""The base of all functions: errors, the log and its metrics, text from other accounts. Calls nothing."""
