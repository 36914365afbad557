"""MindSpore's global and private state: the device, memory, messages."""
