"""What every construct uses: arguments, alarms, functions, permissions and checks of the app."""
