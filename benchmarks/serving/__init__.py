"""Model servers side by side on one machine, against each other and against what the machine could do without one."""
