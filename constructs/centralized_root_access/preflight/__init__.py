"""The pre-flight: the organization's policies are read and judged by account, with fixes."""
