"""The acceptance suite: compares what the project assumes about AWS with an organization."""
