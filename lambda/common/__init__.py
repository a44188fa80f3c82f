"""The base of all functions, which calls nothing: errors, the log and its metrics, text from other accounts."""
