"""What a run or a comparison looks like: terminal, Markdown, HTML, JUnit."""
