"""Enable centralized root access, and check it for drift."""
