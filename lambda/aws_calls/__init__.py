"""How the functions call AWS: failures, the retry budget, pages, clients, notices, findings."""
