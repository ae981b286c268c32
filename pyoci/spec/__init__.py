"""config.json: read (`bundle`), decoded (`json_text`), checked (`check`); its names (`tables`)."""
