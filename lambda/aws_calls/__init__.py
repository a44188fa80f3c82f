"""How the functions call AWS: failures, the retry budget, pages, clients; publish and import what they found."""
