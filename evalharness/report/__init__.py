"""Results as text, pages and files; renderers only."""
