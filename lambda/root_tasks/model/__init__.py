"""The values that a run is made of, and their form in S3."""
