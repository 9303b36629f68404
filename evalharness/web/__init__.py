"""Pages in a browser: runs looked at, compared and labelled, and an arena where people vote blind."""
