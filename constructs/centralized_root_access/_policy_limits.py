"""AWS's limits of the policies of an organization: the guardrails and the command line know them."""

# In characters, by the type of policy; that of service control policies since May 2026.
MAX_CHARACTERS = {"SERVICE_CONTROL_POLICY": 10_240, "RESOURCE_CONTROL_POLICY": 5_120}
