"""Where rows come from, how files are read and written, what a row must hold."""
