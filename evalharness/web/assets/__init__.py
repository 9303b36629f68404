"""Templates, style, script and icon of the pages."""
