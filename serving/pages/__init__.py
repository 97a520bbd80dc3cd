"""Pages and scripts for browsers."""
