"""The runs' view of AWS: root sessions in member accounts, and the bucket."""
