"""A proof for people and for other programs: a page, a few lines, JUnit and CTRF."""
