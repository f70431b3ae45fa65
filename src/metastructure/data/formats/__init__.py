"""File formats of other programs: what a file holds as 2-D planes, and objects as outlines or runs."""
