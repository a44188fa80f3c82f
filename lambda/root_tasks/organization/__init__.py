"""The organization that a run is in: its accounts and its units. They know no run."""
