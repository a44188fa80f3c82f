"""The runs of a deployment, and audits without one: started, awaited, read, and what follows."""
