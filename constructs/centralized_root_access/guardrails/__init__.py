"""Organization policies that deny root users, and root sessions of others."""
