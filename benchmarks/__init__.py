"""This construct beside what a user would pick instead, measured on the local AWS."""
