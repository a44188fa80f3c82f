"""What service control policies and resource control policies let a root session do. Pure: no AWS calls."""
