"""The report: reproduced against reported, its history, and the documentation that is made from the claims."""
