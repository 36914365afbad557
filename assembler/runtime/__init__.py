"""Global state: MindSpore's device and private names, memory, messages; signals and the standard output."""
