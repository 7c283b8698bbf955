"""Values in words, for people: a host, a matrix of hosts."""
