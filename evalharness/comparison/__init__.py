"""Two runs item by item: aligned, measured, decided."""
