"""What all functions need and calls nothing: errors, settings, JSON, the log, others' text."""
