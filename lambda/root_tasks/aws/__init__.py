"""What runs need of AWS: root sessions in member accounts, and the bucket."""
