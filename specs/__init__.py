"""JSON Schemas of the OCI runtime and image specifications, and the list of their requirements."""
