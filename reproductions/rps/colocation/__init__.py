"""Section 7: a web service and learning traffic behind one switch, packet by packet."""
