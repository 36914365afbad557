"""The language server: what editors ask over LSP, answered by ``assembler.analysis``.

Two processes share the work, so that no text can freeze or crash the server::

    editor ──stdio──▶ server    speaks LSP, keeps the texts          pygls, a few MB, never analyses
                        │ process: starts, watches and restarts
                        ▼
                      worker    reads and plans, answers features    MindSpore, limits of untrusted files
"""
