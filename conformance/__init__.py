"""A suite that judges any OCI runtime binary and any OCI image layout."""
