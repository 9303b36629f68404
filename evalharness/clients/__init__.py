"""How endpoints are asked: connections, attempts, deadlines."""
