"""What editors are told of the language: JSON Schemas that the YAML language server, and others, read.

They are draft-07, which every editor understands. Each list of keys is the one that the readers of the files have;
``forms.closed`` refuses a description that lacks one of them or has one too many.
"""
