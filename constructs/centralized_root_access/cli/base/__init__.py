"""The caller, the options, the terminal and the errors of every command."""
