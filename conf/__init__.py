"""The configuration that people edit; a package, so that other projects find it as ``pkg://assembler.conf``."""
