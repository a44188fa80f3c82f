"""The acceptance suite: what the project assumes about AWS, compared with an AWS organization, in one command."""
