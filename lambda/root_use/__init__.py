"""The notice of root use: what root users did, from the trail that CloudWatch Logs delivers."""
