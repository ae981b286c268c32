"""The plan: everything that happens inside the container's namespaces, as data.

``compile_create`` and ``compile_exec`` are pure functions of a configuration and of facts about the
host; `encode` turns their result into what the init decodes, `describe` into what people read,
`stage` runs it, `failure` turns a failing operation into a sentence.
"""
