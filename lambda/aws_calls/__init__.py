"""The functions' calls to AWS: failures, the retry budget, pages, clients, notices, findings."""
