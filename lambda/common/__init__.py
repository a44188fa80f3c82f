"""The base of all functions, which calls nothing: errors, settings, JSON, log lines, text from others."""
