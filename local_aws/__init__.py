"""A local AWS: MiniStack, and moto with the root-access APIs that both of them lack."""
