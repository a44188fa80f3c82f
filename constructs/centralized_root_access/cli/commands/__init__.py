"""The commands, one module each.

They import what needs the SDK when they run, because it takes a second to import.
"""
